//! Numbers as digits: five that count, quickly. Pure.

use std::io::Write as _;

/// Appends a number with about five significant digits and no trailing zeros.
pub(super) fn write(to: &mut Vec<u8>, value: f64) {
    let value = if value.is_finite() { value.clamp(-1e12, 1e12) } else { 0.0 };
    let magnitude = value.abs();
    let decimals: u32 = match magnitude {
        m if m >= 1e4 => 0,
        m if m >= 1e3 => 1,
        m if m >= 1e2 => 2,
        m if m >= 10.0 => 3,
        m if m >= 1.0 => 4,
        _ => 5,
    };
    let scale = 10_u64.pow(decimals);
    let scaled = (magnitude * scale as f64).round() as u64;
    if value < 0.0 && scaled > 0 {
        to.push(b'-');
    }
    let (whole, mut part) = (scaled / scale, scaled % scale);
    // Writing into memory does not fail.
    let _ = write!(to, "{whole}");
    if part == 0 {
        return;
    }
    to.push(b'.');
    let mut place = scale / 10;
    while part > 0 {
        to.push(b'0' + u8::try_from(part / place).unwrap_or_default());
        part %= place;
        place /= 10;
        if place == 0 {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_digits_are_enough() {
        for (value, text) in [
            (0.0, "0"),
            (100.0, "100"),
            (12.345_67, "12.346"),
            (0.012_345_6, "0.01235"),
            (999.999_9, "1000"),
            (123_456.7, "123457"),
            (-0.5, "-0.5"),
            (-1e-9, "0"),
            (3.007, "3.007"),
            (f64::NAN, "0"),
        ] {
            let mut written = Vec::new();
            write(&mut written, value);
            assert_eq!(String::from_utf8(written).unwrap(), text);
        }
    }
}
