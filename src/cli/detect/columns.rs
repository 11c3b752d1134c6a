//! Which column of the data is which metric of the model. Pure.

use super::{DetectError, NAMED};
use crate::{anomaly::Schema, format};

/// How the values of the data become those of the model.
#[derive(Debug)]
pub(in crate::cli) struct Columns {
    /// For each metric of the model, its place in the data.
    places: Vec<Option<usize>>,
    /// Metrics of the model that the data lack.
    pub(in crate::cli) missing: Vec<String>,
    /// Metrics of the data that the model does not know.
    pub(in crate::cli) additional: Vec<String>,
}

impl Columns {
    /// Finds them by their names.
    pub(in crate::cli) fn find(model: &Schema, data: &Schema) -> Result<Self, DetectError> {
        let place = |name: &String| data.metrics().iter().position(|it| it == name);
        let places: Vec<Option<usize>> = model.metrics().iter().map(place).collect();
        if places.iter().all(Option::is_none) {
            let names =
                |schema: &Schema| format::names(schema.metrics().iter().map(String::as_str), NAMED);
            return Err(DetectError::NoCommonMetric { known: names(model), given: names(data) });
        }
        let others = |these: &Schema, those: &Schema| {
            let mut names = these.metrics().to_vec();
            names.retain(|name| !those.metrics().contains(name));
            names
        };
        Ok(Self { missing: others(model, data), additional: others(data, model), places })
    }

    /// The values in the order of the model; what is missing is not a number.
    pub(in crate::cli) fn arrange(&self, values: &[f64]) -> Vec<f64> {
        let value = |place: &Option<usize>| place.and_then(|it| values.get(it).copied());
        self.places.iter().map(|place| value(place).unwrap_or(f64::NAN)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(names: &[&str]) -> Schema {
        Schema::new(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let columns = Columns::find(&schema(&["a", "b", "c"]), &schema(&["x", "c", "a"])).unwrap();
        assert_eq!(format!("{:?}", columns.arrange(&[1.0, 2.0, 3.0])), "[3.0, NaN, 2.0]");
        assert_eq!((columns.missing, columns.additional), (vec!["b".into()], vec!["x".into()]));
    }

    #[test]
    fn without_a_common_metric_nothing_is_said() {
        let error = Columns::find(&schema(&["a"]), &schema(&["b"])).unwrap_err().to_string();
        assert!(error.contains("it knows `a`, they have `b`"), "{error}");
    }
}
