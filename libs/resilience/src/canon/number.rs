//! Numbers: whole ones with all their digits, others as ECMAScript prints doubles.

use serde_json::Number;

pub(super) fn write(number: &Number, out: &mut String) {
    if let Some(whole) = number.as_i64() {
        out.push_str(&whole.to_string());
    } else if let Some(whole) = number.as_u64() {
        out.push_str(&whole.to_string());
    } else if let Some(double) = number.as_f64() {
        write_double(double, out);
    } else {
        // Only where a foreign crate turns on serde_json's `arbitrary_precision`: the text stands for itself.
        out.push_str(&number.to_string());
    }
}

fn write_double(double: f64, out: &mut String) {
    // The bounds are exact doubles; the upper one, 2^64, is itself outside.
    const LEAST: f64 = i64::MIN as f64;
    const PAST: f64 = u64::MAX as f64;
    if double.fract() == 0.0 && (LEAST..PAST).contains(&double) {
        out.push_str(&format!("{}", double as i128)); // lossless: whole and within 65 bits
    } else {
        write_ecmascript(double, out);
    }
}

/// ECMAScript's `Number::toString` for base 10: the shortest digits that read back as the same double.
fn write_ecmascript(double: f64, out: &mut String) {
    let scientific = format!("{double:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let point = exponent.parse::<i32>().unwrap_or(0) + 1; // how many digits stand before the point
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);

    out.push_str(sign);
    match point {
        _ if count <= point && point <= 21 => {
            out.push_str(&digits);
            out.extend((count..point).map(|_| '0'));
        }
        1..=21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
            out.push_str(whole);
            out.push('.');
            out.push_str(fraction);
        }
        -5..=0 => {
            out.push_str("0.");
            out.extend((point..0).map(|_| '0'));
            out.push_str(&digits);
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            out.push_str(first);
            if !rest.is_empty() {
                out.push('.');
                out.push_str(rest);
            }
            out.push_str(if point > 0 { "e+" } else { "e-" });
            out.push_str(&(point - 1).abs().to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(double: f64) -> String {
        let mut out = String::new();
        write_double(double, &mut out);
        out
    }

    /// Appendix B of RFC 8785, but for whole numbers below 2^64, which keep their digits here.
    #[test]
    fn the_samples_of_the_rfc() {
        for (bits, wanted) in [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        ] {
            assert_eq!(text(f64::from_bits(bits)), wanted);
        }
    }

    #[test]
    fn whole_doubles_below_two_to_the_64_keep_their_digits() {
        assert_eq!(text(1_152_921_504_606_846_976.0), "1152921504606846976");
        assert_eq!(text(18_446_744_073_709_549_568.0), "18446744073709549568");
        assert_eq!(text(18_446_744_073_709_551_616.0), "18446744073709552000");
        assert_eq!(text(-9_223_372_036_854_775_808.0), "-9223372036854775808");
    }
}
