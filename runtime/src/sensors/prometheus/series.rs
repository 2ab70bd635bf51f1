//! Series: what is counted, by labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use kaspr_core::key::ObjectKind;

use super::families::{Family, Kind};

/// Words of closed sets, in the order of the family's labels; empty where there are fewer.
pub(super) type Words = [&'static str; 3];

/// A part of an app that has series of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// The component that it is or belongs to; none for what belongs to the app.
    pub(super) component: Option<Box<str>>,
    /// The object.
    pub(super) resource: Option<(ObjectKind, Box<str>)>,
}

/// One series of a family.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Series {
    family: &'static Family,
    /// The part of the app that it is about, if it is about one.
    pub(super) part: Option<Arc<Part>>,
    /// Its words.
    pub(super) words: Words,
}

/// What was counted.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// So many times.
    Count(u64),
    /// So many times within the bounds of each bucket; the last bucket has no bound.
    Spread {
        /// The sum of all observations.
        sum: f64,
        /// Not cumulative.
        buckets: Box<[u64]>,
    },
}

/// Series by family.
pub(super) type Group = BTreeMap<Series, Value>;

impl Series {
    /// A series; `words` are at most three.
    pub(super) fn new(
        family: &'static Family,
        part: Option<Arc<Part>>,
        words: &[&'static str],
    ) -> Self {
        let mut all = Words::default();
        all.iter_mut().zip(words).for_each(|(place, word)| *place = word);
        Self { family, part, words: all }
    }
}

/// The series of one family.
pub(super) fn of<'a>(
    group: &'a Group,
    family: &'static Family,
) -> impl Iterator<Item = (&'a Series, &'a Value)> {
    let first = Series::new(family, None, &[]);
    group.range(first..).take_while(move |(series, _)| *series.family == *family)
}

impl Value {
    /// Nothing counted yet.
    pub(super) fn nothing(family: &Family) -> Self {
        match family.kind {
            Kind::Histogram(bounds) => {
                Self::Spread { sum: 0.0, buckets: vec![0; bounds.len().saturating_add(1)].into() }
            }
            Kind::Counter | Kind::CountOf(_) | Kind::Gauge | Kind::CounterOfState => Self::Count(0),
        }
    }

    /// Counts one more; of a histogram, of this value.
    pub(super) fn add(&mut self, family: &Family, observed: f64) {
        match self {
            Self::Count(count) => *count = count.saturating_add(1),
            Self::Spread { sum, buckets } => {
                let bounds = if let Kind::Histogram(bounds) = family.kind { bounds } else { &[] };
                let at = bounds.iter().take_while(|bound| observed > **bound).count();
                if let Some(bucket) = buckets.get_mut(at) {
                    *bucket = bucket.saturating_add(1);
                }
                *sum += observed;
            }
        }
    }

    /// How often something was counted.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Count(count) => *count,
            Self::Spread { buckets, .. } => buckets.iter().sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::families::{RECONCILE_DURATION, RECONCILE_ERRORS, RECONCILE_QUEUE_WAIT};
    use super::*;

    #[test]
    fn an_observation_falls_into_the_first_bucket_that_holds_it() {
        let mut value = Value::nothing(&RECONCILE_QUEUE_WAIT);
        for seconds in [0.0, 0.01, 0.011, 31.0] {
            value.add(&RECONCILE_QUEUE_WAIT, seconds);
        }
        let Value::Spread { sum, buckets } = &value else { panic!("{value:?}") };
        assert!((sum - 31.021).abs() < 1e-9);
        assert_eq!(**buckets, [2, 1, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(value.count(), 4);
    }

    #[test]
    fn each_family_finds_its_own_series() {
        let mut group = Group::new();
        for (family, words) in [
            (&RECONCILE_DURATION, ["timer", "success"]),
            (&RECONCILE_ERRORS, ["Busy", ""]),
            (&RECONCILE_DURATION, ["queue", "failure"]),
        ] {
            group.insert(Series::new(family, None, &words), Value::nothing(family));
        }
        let words =
            |family| -> Vec<Words> { of(&group, family).map(|(series, _)| series.words).collect() };
        assert_eq!(
            words(&RECONCILE_DURATION),
            [["queue", "failure", ""], ["timer", "success", ""]]
        );
        assert_eq!(words(&RECONCILE_ERRORS), [["Busy", "", ""]]);
        assert!(words(&RECONCILE_QUEUE_WAIT).is_empty());
    }
}
