//! Kubernetes quantities, compared exactly.
//!
//! Source: kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity.

use std::cmp::Ordering;

/// A quantity as a decimal mantissa and a power of ten, after binary suffixes are multiplied out.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// Digits without the point.
    mantissa: i128,
    /// Power of ten.
    exponent: i32,
}

impl Quantity {
    /// Reads `1`, `0.5`, `500m`, `1Gi`, `2e3`, `-1`; `None` where the API server would refuse it.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = rest
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .unwrap_or(rest.len());
        let (number, suffix) = rest.split_at_checked(end)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let scale = i32::try_from(fraction.len()).ok()?;
        let (factor, power) = Self::suffix(suffix)?;
        let mantissa = digits.checked_mul(factor)?;
        Some(Self {
            mantissa: if negative { -mantissa } else { mantissa },
            exponent: power - scale,
        })
    }

    /// Multiplier and power of ten of a suffix.
    fn suffix(suffix: &str) -> Option<(i128, i32)> {
        let decimal = |power| Some((1, power));
        let binary = |power: u32| Some((1i128 << (10 * power), 0));
        match suffix {
            "n" => decimal(-9),
            "u" => decimal(-6),
            "m" => decimal(-3),
            "" => decimal(0),
            "k" => decimal(3),
            "M" => decimal(6),
            "G" => decimal(9),
            "T" => decimal(12),
            "P" => decimal(15),
            "E" => decimal(18),
            "Ki" => binary(1),
            "Mi" => binary(2),
            "Gi" => binary(3),
            "Ti" => binary(4),
            "Pi" => binary(5),
            "Ei" => binary(6),
            _ => {
                let power = suffix.strip_prefix(['e', 'E'])?;
                let power: i32 = power.parse().ok()?;
                (-18..=18).contains(&power).then_some((1, power))
            }
        }
    }

    /// The amount in whole units, rounded towards zero; none where that is too much for the type.
    pub fn to_i64(&self) -> Option<i64> {
        let power = 10i128.checked_pow(self.exponent.unsigned_abs())?;
        let whole = if self.exponent < 0 {
            self.mantissa.checked_div(power)?
        } else {
            self.mantissa.checked_mul(power)?
        };
        i64::try_from(whole).ok()
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.mantissa < 0
    }

    /// Whether it is above zero.
    pub fn is_positive(&self) -> bool {
        self.mantissa > 0
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        // Both sides are brought to the smaller exponent; where that overflows, the side with the
        // larger exponent is the larger one by far.
        let common = self.exponent.min(other.exponent);
        let scaled = |quantity: &Self| {
            let power = u32::try_from(quantity.exponent - common).ok()?;
            quantity.mantissa.checked_mul(10i128.checked_pow(power)?)
        };
        match (scaled(self), scaled(other)) {
            (Some(one), Some(two)) => one.cmp(&two),
            (None, _) => self.mantissa.signum().cmp(&0).then(Ordering::Greater),
            (_, None) => 0.cmp(&other.mantissa.signum()).then(Ordering::Less),
        }
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: &str, ordering: Ordering, two: &str) {
        let parse = |text| Quantity::parse(text).unwrap();
        assert_eq!(parse(one).cmp(&parse(two)), ordering, "{one} against {two}");
    }

    #[test]
    fn spellings_of_one_amount_are_equal() {
        check("0.5", Ordering::Equal, "500m");
        check("1Gi", Ordering::Equal, "1024Mi");
        check("1e3", Ordering::Equal, "1k");
        check("1E", Ordering::Equal, "1000P");
        check("1.0", Ordering::Equal, "1");
    }

    #[test]
    fn an_amount_has_whole_units() {
        let whole = |text| Quantity::parse(text).unwrap().to_i64();
        assert_eq!(
            (whole("1Gi"), whole("1500m"), whole("2e3")),
            (Some(1 << 30), Some(1), Some(2000))
        );
        assert_eq!(whole("99E"), None);
    }

    #[test]
    fn amounts_are_ordered() {
        check("1G", Ordering::Less, "1Gi");
        check("-1", Ordering::Less, "0");
        check("8Ei", Ordering::Greater, "1n");
    }

    #[test]
    fn what_the_api_server_refuses_is_refused() {
        for text in ["", "1GiB", "10 Gi", "1,5", ".", "1..2", "Gi", "1kb", "1e99", "abc"] {
            assert!(Quantity::parse(text).is_none(), "{text:?}");
        }
    }
}
