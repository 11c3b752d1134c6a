//! Random numbers that are the same in every version and on every machine. Pure.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// A stream of random numbers.
pub(super) struct Random {
    generator: ChaCha8Rng,
    /// Normal numbers come in pairs.
    spare: Option<f64>,
}

impl Random {
    /// Stream number `stream` of a seed; streams do not depend on each other.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        Self { generator, spare: None }
    }

    /// From 0 up to, but not including, 1.
    pub(super) fn share(&mut self) -> f64 {
        (self.generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From `low` up to `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }

    /// One of `count`, which is not 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((self.share() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// Whether something of this probability happens.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// A standard normal number, by Marsaglia's polar method (1964).
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let factor = (-2.0 * libm::log(square) / square).sqrt();
                self.spare = Some(y * factor);
                return x * factor;
            }
        }
    }

    /// An exponential number with this mean.
    pub(super) fn waiting(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.share())
    }

    /// A count with this mean: Poisson by Knuth's product, for small means.
    pub(super) fn count(&mut self, mean: f64) -> u32 {
        let limit = libm::exp(-mean.clamp(0.0, 500.0));
        let (mut product, mut count) = (self.share(), 0);
        while product > limit {
            product *= self.share();
            count += 1;
        }
        count
    }
}

/// Noise that remembers: an autoregression of first order.
pub(super) struct Wander {
    keep: f64,
    push: f64,
    now: f64,
}

impl Wander {
    /// With this standard deviation; what is left of a push halves every `half_life` steps.
    pub(super) fn new(deviation: f64, half_life: f64, random: &mut Random) -> Self {
        let keep = libm::exp(-std::f64::consts::LN_2 / half_life.max(0.05));
        Self {
            keep,
            push: deviation * (1.0 - keep * keep).sqrt(),
            now: deviation * random.normal(),
        }
    }

    /// The next value.
    pub(super) fn next(&mut self, random: &mut Random) -> f64 {
        self.now = self.keep * self.now + self.push * random.normal();
        self.now
    }

    /// The exponential of the next value: noise to multiply with.
    pub(super) fn factor(&mut self, random: &mut Random) -> f64 {
        libm::exp(self.next(random))
    }
}
