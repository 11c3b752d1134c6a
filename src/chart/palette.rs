//! RGB pixels as at most 256 colours: a chart has few, and one byte for each pixel packs far better
//! than three.

use std::collections::HashMap;

const MOST: usize = 256;

/// A palette and, for each pixel, the place of its colour in it.
pub(super) struct Indexed {
    /// Red, green, blue of each colour.
    pub palette: Vec<u8>,
    pub pixels: Vec<u8>,
}

/// The most used colours, and for every rarer one the nearest of them. The rare ones are the blends
/// where lines cross, where nobody sees the difference.
pub(super) fn index(rgb: &[u8]) -> Indexed {
    let mut uses: HashMap<[u8; 3], u32> = HashMap::new();
    let colours = || rgb.as_chunks::<3>().0.iter().copied();
    for run in rgb.as_chunks::<3>().0.chunk_by(|a, b| a == b) {
        *uses.entry(run[0]).or_default() += run.len() as u32;
    }
    let mut ranked: Vec<_> = uses.into_iter().collect();
    // By colour too, so that the same chart always gives the same file.
    ranked.sort_unstable_by_key(|(colour, count)| (std::cmp::Reverse(*count), *colour));
    let kept: Vec<[u8; 3]> = ranked.iter().take(MOST).map(|(colour, _)| *colour).collect();
    let places: HashMap<[u8; 3], u8> = ranked
        .iter()
        .enumerate()
        .map(|(rank, (colour, _))| {
            (*colour, if rank < MOST { rank as u8 } else { nearest(&kept, *colour) })
        })
        .collect();

    let mut pixels = Vec::with_capacity(rgb.len() / 3);
    let (mut last, mut place) = (None, 0);
    for colour in colours() {
        if last != Some(colour) {
            place = places.get(&colour).copied().unwrap_or(0);
            last = Some(colour);
        }
        pixels.push(place);
    }
    Indexed { palette: kept.concat(), pixels }
}

fn nearest(kept: &[[u8; 3]], colour: [u8; 3]) -> u8 {
    let distance = |other: &[u8; 3]| -> u32 {
        other.iter().zip(colour).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    (0..=u8::MAX).zip(kept).min_by_key(|(_, other)| distance(other)).map_or(0, |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_colours_stay_exact() {
        let rgb = [1, 2, 3, 9, 9, 9, 9, 9, 9, 1, 2, 3, 9, 9, 9];
        let Indexed { palette, pixels } = index(&rgb);
        assert_eq!(palette, [9, 9, 9, 1, 2, 3]);
        assert_eq!(pixels, [1, 0, 0, 1, 0]);
    }

    #[test]
    fn a_rare_colour_becomes_the_nearest_used_one() {
        let mut rgb: Vec<u8> = (0..=255).flat_map(|i| [i, 0, 0, i, 0, 0]).collect();
        rgb.extend([7, 1, 0]);
        let Indexed { palette, pixels } = index(&rgb);
        let place = usize::from(*pixels.last().unwrap());
        assert_eq!(palette[place * 3..place * 3 + 3], [7, 0, 0]);
    }
}
