//! What a plain scalar means: the core schema of YAML 1.2, in which `yes` and `on` are text.

use super::Value;

/// The value of an untagged plain scalar.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::Text(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<f64> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let plain = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
            return plain.then(|| {
                digits
                    .chars()
                    .filter_map(|c| c.to_digit(radix))
                    .fold(0.0, |sum, digit| sum * f64::from(radix) + f64::from(digit))
            });
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY }),
        ".nan" | ".NaN" | ".NAN" if unsigned == text => return Some(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) = unsigned
        .split_once(['e', 'E'])
        .map_or((unsigned, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    let fits =
        digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_fits;
    if fits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_core_schema_gives_anything_but_text() {
        for word in [
            "yes", "no", "on", "off", "y", "n", "1_000", "1:30", "0b1", "1.2.3", "e5", "+", ".", "0x", "nan",
            "-.nan", "1e",
        ] {
            assert!(matches!(resolve(word), Value::Text(_)), "{word}");
        }
        for (word, number) in [
            ("0", 0.0),
            ("-12", -12.0),
            ("+3", 3.0),
            ("0x1F", 31.0),
            ("0o17", 15.0),
            ("017", 17.0),
            ("1.5", 1.5),
            (".5", 0.5),
            ("2.", 2.0),
            ("1e3", 1000.0),
            ("-.inf", f64::NEG_INFINITY),
        ] {
            assert!(matches!(resolve(word), Value::Number(value) if value == number), "{word}");
        }
        assert!(matches!(resolve(""), Value::Null));
        assert!(matches!(resolve("True"), Value::Bool(true)));
    }
}
