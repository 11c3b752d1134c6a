//! Values as whole numbers of the same order, which a processor compares and counts in one go.

use super::MOST_DIMENSIONS;

/// One row: a key for each metric, and one more that nothing is read from.
pub(super) type Keys = [u32; MOST_DIMENSIONS + 1];

/// A row of nothing.
pub(super) const NO_KEYS: Keys = [0; MOST_DIMENSIONS + 1];

/// A whole number that orders as the value does; both zeroes have the same. Anything for a missing
/// value.
///
/// The bits of an IEEE 754 number order as it does, once those of negative numbers are turned over
/// and the sign is made to count as a number's does (Terdiman and Herf's radix sort).
pub(super) fn key(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    let negative = (bits.cast_signed() >> 31).cast_unsigned();
    bits ^ (negative | 0x8000_0000)
}

/// The value of a key.
pub(super) fn value(key: u32) -> f32 {
    let positive = (key.cast_signed() >> 31).cast_unsigned();
    f32::from_bits(key ^ (!positive | 0x8000_0000))
}

/// Fills in the keys of a row; says whether a value that matters (`used` is all ones) is missing.
///
/// A row that is too short lacks its last values.
pub(super) fn write(row: &[f32], used: &[u32], keys: &mut Keys) -> bool {
    let mut missing = 0;
    for ((value, used), key_of_value) in row.iter().zip(used).zip(keys.iter_mut()) {
        *key_of_value = key(*value);
        missing |= if value.is_nan() { *used } else { 0 };
    }
    missing != 0 || used.iter().skip(row.len()).any(|used| *used != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_their_values_do() {
        let ascending =
            [f32::NEG_INFINITY, f32::MIN, -1.5, -1e-40, 0.0, 1e-40, 1.0, 1.5, 3e38, f32::INFINITY];
        for pair in ascending.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{pair:?}");
        }
        assert_eq!(key(-0.0), key(0.0));
        assert!(ascending.iter().all(|number| value(key(*number)).total_cmp(number).is_eq()));
    }

    #[test]
    fn only_a_value_that_is_used_can_be_missing() {
        let mut keys = NO_KEYS;
        let used = [u32::MAX, 0, u32::MAX];
        assert!(!write(&[1.0, f32::NAN, 2.0], &used, &mut keys));
        assert!(write(&[f32::NAN, 1.0, 2.0], &used, &mut keys));
        assert!(write(&[1.0, 1.0], &used, &mut keys));
        assert!(!write(&[1.0, 1.0, 2.0, f32::NAN], &used, &mut keys));
        assert_eq!(keys[..3], [key(1.0), key(1.0), key(2.0)]);
    }
}
