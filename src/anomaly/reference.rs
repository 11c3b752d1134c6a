//! What a vote says on normal days, kept clean and kept current.

use serde::{Deserialize, Serialize};

use super::{numbers::newest_weight, tail::Tail};

/// Values are kept as counts in bins of equal ratio.
const BINS: usize = 160;
/// The first bin holds everything up to this value.
const LEAST: f32 = 1e-2;
/// From one bin to the next.
const RATIO: f32 = 1.07;
/// Half days of the past that are looked at.
const BLOCKS: usize = 20;
/// Half a day of more observations than anybody makes.
const LONGEST_BLOCK: u32 = 1 << 28;
/// Values above this surprise are not normal, and are not learned.
const UNUSUAL: f32 = 3.0;
/// The share of the values that is below the Pareto part of the tail.
const LEVEL: f64 = 0.98;
/// The same, when a new normal is learned with everything in it.
const LEVEL_OF_A_NEW_NORMAL: f64 = 0.95;
/// When more than this share of the last day is unusual, the level has moved for good.
const SHIFTED: f32 = 0.5;
/// Half days that a new normal stands before it is refined; half of them before it may move again.
const HOLD: u32 = 4;
/// A series that is unusual for no more than this share of the time is believed.
const CREDITED: f32 = 0.015;
/// Days until half of the unusual is forgiven.
const HALF_LIFE_OF_CREDIT: f64 = 3.0;

/// The trailing reference of one series of values: surprise against the clean last ten days. What was
/// unusual is not learned, unless most of a day was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reference {
    tail: Tail,
    /// Newest last.
    blocks: Vec<Block>,
    current: Block,
    /// How many values make half a day.
    block_length: u32,
    /// How many blocks must pass until the tail is fitted again after a new normal.
    hold: u32,
    /// The share of the last days that was unusual.
    unusual: f32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Block {
    /// Counts of all values, and of those that were not unusual; sparse, by bin.
    all: Vec<(u8, u16)>,
    clean: Vec<(u8, u16)>,
    count: u32,
    unusual: u32,
}

impl Reference {
    /// Learns from the values of normal days, oldest first.
    pub(super) fn fit(values: &[f32], block_length: u32) -> Self {
        let length = block_length.max(1) as usize;
        let kept = &values[values.len().saturating_sub(length * BLOCKS)..];
        let sorted = super::numbers::sorted(kept.iter().copied());
        let mut reference = Self {
            tail: Tail::fit(&sorted, LEVEL),
            blocks: Vec::new(),
            current: Block::default(),
            block_length,
            hold: 0,
            unusual: 0.0,
        };
        for value in kept {
            reference.current.add(*value, false);
            if reference.current.count >= block_length {
                reference.blocks.push(std::mem::take(&mut reference.current));
            }
        }
        reference
    }

    /// Whether its counts can be.
    pub(super) fn is_possible(&self) -> bool {
        let mut blocks = self.blocks.iter().chain([&self.current]);
        self.tail.is_whole() && self.block_length <= LONGEST_BLOCK && blocks.all(Block::is_possible)
    }

    /// The surprise of a value, which is then learned when it is normal.
    pub(super) fn judge(&mut self, value: f32) -> f32 {
        let surprise = self.tail.surprise(value);
        let is_unusual = surprise > UNUSUAL;
        let half_life = HALF_LIFE_OF_CREDIT * 2.0 * f64::from(self.block_length);
        self.unusual += newest_weight(half_life) * (f32::from(u8::from(is_unusual)) - self.unusual);
        self.current.add(value, is_unusual);
        if self.current.count >= self.block_length {
            self.close_block();
        }
        surprise
    }

    /// How far to believe a series, from 0 to 1: less when it was unusual for much of the last days,
    /// because then the host drifts, or it does not suit this host.
    pub(super) fn credit(&self) -> f32 {
        (CREDITED / self.unusual.max(CREDITED)).min(1.0)
    }

    fn close_block(&mut self) {
        self.blocks.push(std::mem::take(&mut self.current));
        let surplus = self.blocks.len().saturating_sub(BLOCKS);
        self.blocks.drain(..surplus);
        self.hold = self.hold.saturating_sub(1);
        if self.hold > HOLD / 2 {
            return;
        }
        let day = &self.blocks[self.blocks.len().saturating_sub(2)..];
        let (count, unusual) =
            day.iter().fold((0, 0), |sum, block| (sum.0 + block.count, sum.1 + block.unusual));
        if unusual as f32 > SHIFTED * count as f32 {
            let recent = self.blocks.len().saturating_sub(BLOCKS / 2);
            for block in &mut self.blocks[recent..] {
                block.clean = block.all.clone();
                block.unusual = 0;
            }
            self.tail = fit(&self.blocks[recent..], LEVEL_OF_A_NEW_NORMAL);
            self.hold = HOLD;
            return;
        }
        if self.hold == 0 {
            let clean: u32 = self.blocks.iter().map(|block| block.count - block.unusual).sum();
            if clean > 2 * self.block_length {
                self.tail = fit(&self.blocks, LEVEL);
            }
        }
    }
}

impl Block {
    fn is_possible(&self) -> bool {
        self.unusual <= self.count
            && self.count <= LONGEST_BLOCK
            && self.all.iter().chain(&self.clean).all(|(bin, _)| usize::from(*bin) < BINS)
    }

    fn add(&mut self, value: f32, unusual: bool) {
        let bin = bin(value);
        count(&mut self.all, bin);
        if !unusual {
            count(&mut self.clean, bin);
        }
        self.count += 1;
        self.unusual += u32::from(unusual);
    }
}

fn count(bins: &mut Vec<(u8, u16)>, bin: u8) {
    match bins.binary_search_by_key(&bin, |entry| entry.0) {
        Ok(place) => bins[place].1 = bins[place].1.saturating_add(1),
        Err(place) => bins.insert(place, (bin, 1)),
    }
}

fn bin(value: f32) -> u8 {
    let place = ((value.max(LEAST) / LEAST).ln() / RATIO.ln()).ceil();
    place.clamp(0.0, (BINS - 1) as f32) as u8
}

/// The tail of what the clean bins hold, each value spread evenly within its bin.
fn fit(blocks: &[Block], level: f64) -> Tail {
    let mut counts = [0_u32; BINS];
    for (bin, count) in blocks.iter().flat_map(|block| &block.clean) {
        counts[usize::from(*bin)] += u32::from(*count);
    }
    let mut values = Vec::new();
    for (bin, count) in counts.into_iter().enumerate() {
        let high = LEAST * RATIO.powf(bin as f32);
        let low = if bin == 0 { 0.0 } else { high / RATIO };
        values.extend(
            (0..count).map(|index| low + (high - low) * (index as f32 + 0.5) / count as f32),
        );
    }
    Tail::fit(&values, level)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten days of two observations an hour, between 0 and 1.
    fn learned() -> Reference {
        Reference::fit(&(0..480).map(normal).collect::<Vec<f32>>(), 24)
    }

    fn normal(index: usize) -> f32 {
        (index * 37 % 101) as f32 / 101.0
    }

    #[test]
    fn a_fault_is_not_learned() {
        let mut reference = learned();
        let before = reference.judge(5.0);
        assert!(before > UNUSUAL, "{before}");
        for index in 0..480 {
            reference.judge(if index % 8 == 0 { 5.0 } else { normal(index) });
        }
        assert!(reference.judge(5.0) > UNUSUAL);
    }

    #[test]
    fn a_lasting_shift_is_the_new_normal() {
        let mut reference = learned();
        for index in 0..480 {
            reference.judge(4.0 + normal(index));
        }
        let surprise = reference.judge(4.5);
        assert!(surprise < 1.0, "{surprise}");
    }

    #[test]
    fn a_series_that_is_often_unusual_is_believed_less() {
        let mut reference = learned();
        assert!((reference.credit() - 1.0).abs() < 1e-6);
        for index in 0..240 {
            reference.judge(if index % 3 == 0 { 50.0 } else { normal(index) });
        }
        assert!(reference.credit() < 0.3, "{}", reference.credit());
    }

    #[test]
    fn bins_are_ordered_and_bounded() {
        let bins: Vec<u8> = [-1.0, 0.0, 0.01, 0.1, 1.0, 1.07, 50.0, f32::MAX].map(bin).to_vec();
        assert!(bins.is_sorted(), "{bins:?}");
        assert!(usize::from(bins[7]) < BINS);
    }
}
