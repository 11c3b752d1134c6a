//! What Prometheus and its relatives answer, read with tolerance. Pure.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Visitor},
};

use crate::format;

/// The most warnings shown of one answer.
const MAX_WARNINGS: usize = 10;

/// Escapes untrusted text, puts it on one line and cuts it.
pub(super) fn bounded(text: &str, length: usize) -> String {
    // Escaping only what will be shown keeps a hostile megabyte cheap.
    let head: String = text.chars().take(length + 1).collect();
    let escaped = chat::escape_invisible(&head).replace(['\n', '\t'], " ");
    let mut shown: String = escaped.trim().chars().take(length).collect();
    if escaped.trim().chars().nth(length).is_some() {
        shown.push('…');
    }
    shown
}

/// A sample's value: JSON has no NaN, so that it is written as text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number(pub f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsNumber;
        impl Visitor<'_> for AsNumber {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::custom("a sample is not a number"))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
        }
        deserializer.deserialize_any(AsNumber)
    }
}

/// Time in seconds and value.
pub(super) type Sample = (f64, Number);

/// One element of a vector or a matrix.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Item {
    pub metric: BTreeMap<String, String>,
    pub value: Option<Sample>,
    pub values: Vec<Sample>,
}

/// An answer with data.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub items: Vec<Item>,
    pub warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(bound = "R: DeserializeOwned")]
struct Envelope<R> {
    #[serde(default)]
    status: String,
    data: Option<Data<R>>,
    #[serde(default)]
    error: Option<serde_json::Value>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    #[serde(default)]
    infos: Option<Vec<String>>,
    /// VictoriaMetrics' cluster: some of the storage did not answer.
    #[serde(default, rename = "isPartial")]
    is_partial: bool,
}

#[derive(Deserialize)]
struct Data<R> {
    result: R,
}

/// Reads a successful answer, or says in a few words why it is none.
pub(super) fn read(body: &[u8]) -> Result<Answer, String> {
    let envelope = match serde_json::from_slice::<Envelope<Vec<Item>>>(body) {
        Ok(envelope) => envelope,
        // A scalar is a bare sample.
        Err(first) => match serde_json::from_slice::<Envelope<Sample>>(body) {
            Ok(scalar) => Envelope {
                status: scalar.status,
                data: scalar.data.map(|data| Data {
                    result: vec![Item { value: Some(data.result), ..Item::default() }],
                }),
                error: scalar.error,
                warnings: scalar.warnings,
                infos: scalar.infos,
                is_partial: scalar.is_partial,
            },
            Err(_) => return Err(unreadable(body, &first)),
        },
    };
    if envelope.status != "success" {
        let error = envelope.error.map(|error| text_of(&error));
        return Err(error.unwrap_or_else(|| "it does not say `success`".to_owned()));
    }
    let Some(Data { result: items }) = envelope.data else {
        return Err("it says `success` but has no data".to_owned());
    };
    let said = envelope.warnings.into_iter().chain(envelope.infos).flatten();
    let mut warnings: Vec<_> = said.map(|text| bounded(&text, 200)).collect();
    if warnings.len() > MAX_WARNINGS {
        let more = warnings.len() - MAX_WARNINGS;
        warnings.truncate(MAX_WARNINGS);
        warnings.push(format!("and {} more warnings", format::grouped(more)));
    }
    if envelope.is_partial {
        warnings.push("the answer is partial: some of the storage did not answer".to_owned());
    }
    Ok(Answer { items, warnings })
}

/// Keeps the first of too many, and says so.
pub(super) fn cut<T>(items: &mut Vec<T>, most: usize) -> Option<String> {
    let all = items.len();
    (all > most).then(|| {
        items.truncate(most);
        format!("showing the first {} of {} series", format::grouped(most), format::grouped(all))
    })
}

fn unreadable(body: &[u8], error: &serde_json::Error) -> String {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        None => "it is empty".to_owned(),
        Some(b'<') => "it is a web page".to_owned(),
        Some(_) if error.is_eof() => "it breaks off".to_owned(),
        Some(_) => format!("it is not the JSON I expect: {}", bounded(&error.to_string(), 120)),
    }
}

/// The words of an error answer: Prometheus' JSON, VictoriaMetrics' JSON or plain text.
pub(super) fn complaint(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Complaint {
        error: serde_json::Value,
    }
    let text = match serde_json::from_slice::<Complaint>(body) {
        Ok(complaint) => Cow::Owned(text_of(&complaint.error)),
        Err(_) => String::from_utf8_lossy(body.get(..2000).unwrap_or(body)),
    };
    let text = text.trim();
    match text.bytes().next() {
        None => "without a reason".to_owned(),
        Some(b'<') => "with a web page".to_owned(),
        Some(_) => bounded(text, 300),
    }
}

fn text_of(value: &serde_json::Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    bounded(&text, 300)
}

/// The moment of a sample, to the millisecond; `None` for one out of range.
pub(super) fn moment(seconds: f64) -> Option<DateTime<Utc>> {
    let millis = (seconds * 1000.0).round();
    // Casts of floats saturate, and the ends of the range are no moments.
    DateTime::from_timestamp_millis(millis as i64).filter(|_| millis.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_as_text_and_as_numbers() {
        let body = br#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"a":"1"},"value":[1.5,"NaN"]},{"metric":{},"value":[1.5,"+Inf"]},
            {"metric":{},"value":[1.5,"-Inf"]},{"metric":{},"value":[1,"2e-3"]},
            {"value":[1,7]},{"metric":{},"value":[1,-7]},{"metric":{},"histogram":[1,{}]}]},
            "warnings":["a\u001b[2J\nb"],"infos":["c"],"stats":{}}"#;
        let answer = read(body).unwrap();
        let values: Vec<_> =
            answer.items.iter().filter_map(|item| item.value).map(|(_, number)| number.0).collect();
        assert!(values[0].is_nan());
        assert_eq!(values[1..], [f64::INFINITY, f64::NEG_INFINITY, 0.002, 7.0, -7.0]);
        assert_eq!(answer.warnings, ["a\\u{1b}[2J b", "c"]);
    }

    #[test]
    fn a_scalar_and_a_matrix_are_answers_too() {
        let scalar = br#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#;
        assert_eq!(read(scalar).unwrap().items[0].value, Some((1.0, Number(2.0))));
        let matrix = br#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"a":"b"},"values":[[1,"2"],[2,"3"]]}]}}"#;
        assert_eq!(read(matrix).unwrap().items[0].values.len(), 2);
    }

    #[test]
    fn too_many_series_are_cut_and_counted() {
        let items = vec![r#"{"metric":{},"value":[1,"1"]}"#; 1234].join(",");
        let body =
            format!(r#"{{"status":"success","data":{{"result":[{items}]}},"isPartial":true}}"#);
        let answer = read(body.as_bytes()).unwrap();
        assert_eq!(answer.items.len(), 1234, "whose they are is known only later");
        assert!(answer.warnings[0].contains("partial"));
        let (mut items, mut warnings) = (answer.items, answer.warnings);
        warnings.extend(cut(&mut items, 1000));
        assert_eq!(items.len(), 1000);
        assert_eq!(warnings[1], "showing the first 1,000 of 1,234 series");
        assert_eq!(cut(&mut items, 1000), None);
    }

    #[test]
    fn what_is_no_answer_is_said_in_a_few_words() {
        for (body, words) in [
            ("", "empty"),
            ("<html>login</html>", "web page"),
            (r#"{"status":"success","data":{"result":[{"metric":{"a":"#, "breaks off"),
            ("[]", "not the JSON"),
            ("{}", "success"),
            (r#"{"status":"success"}"#, "no data"),
            (r#"{"status":"success","data":{"result":[{"value":[1,"x"]}]}}"#, "not the JSON"),
            (r#"{"status":"error","error":"boom"}"#, "boom"),
            (r#"{"status":"error","errorType":"x","error":{"deep":1}}"#, "deep"),
            ("\u{0}\u{1}", "not the JSON"),
        ] {
            let words_found = read(body.as_bytes()).unwrap_err();
            assert!(words_found.contains(words), "{body}: {words_found}");
        }
        assert!(read(&[0xff, 0xfe]).is_err());
        assert!(read("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_complaint_is_short_and_harmless() {
        assert_eq!(complaint(br#"{"status":"error","errorType":"422","error":"bad"}"#), "bad");
        assert_eq!(complaint(b"remoteAddr: x; cannot parse"), "remoteAddr: x; cannot parse");
        assert_eq!(complaint(b""), "without a reason");
        assert_eq!(complaint(b"<html>"), "with a web page");
        let long = "\u{202e}".repeat(5000);
        assert!(complaint(long.as_bytes()).chars().count() <= 301);
    }

    #[test]
    fn a_moment_out_of_range_is_none() {
        assert_eq!(moment(1.5).unwrap().timestamp_millis(), 1500);
        assert!(moment(f64::NAN).is_none() && moment(1e300).is_none());
    }
}
