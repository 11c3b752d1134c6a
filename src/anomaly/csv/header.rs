//! Which column is what, from the first line of a file. Pure.

use csv::ByteRecord;

/// Columns that say something about a host and are no metrics. `role` says by whom a host that has no past
/// is judged, and `split` says which rows are for training; the others are ignored.
pub const LABELS: [&str; 14] = [
    "role",
    "zone",
    "environment",
    "split",
    "env",
    "region",
    "cluster",
    "datacenter",
    "rack",
    "service",
    "team",
    "job",
    "os",
    "kind",
];
const HOST: [&str; 4] = ["host", "entity", "instance", "node"];
const TIME: [&str; 3] = ["timestamp", "time", "at"];

/// How the columns of one file are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Fields of every row.
    pub(super) fields: usize,
    /// The column with the host.
    pub(super) host: usize,
    /// The column with the time.
    pub(super) time: usize,
    /// The column with the role of the host.
    pub(super) role: Option<usize>,
    /// The column that says which part of the data a row belongs to.
    pub(super) split: Option<usize>,
    /// Where the values are.
    pub(super) shape: Shape,
}

/// Where the values are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A column for each metric: the column, and the metric's place in the schema.
    Wide(Vec<(usize, usize)>),
    /// A row for each value.
    Long {
        /// The column with the metric's name.
        metric: usize,
        /// The column with its value.
        value: usize,
    },
}

/// Reads a header. `place` gives a metric its place in the schema.
pub(super) fn read(
    header: &ByteRecord,
    mut place: impl FnMut(&str) -> usize,
) -> Result<Layout, String> {
    let names: Vec<String> =
        header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
    let find = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let host = HOST.iter().find_map(|name| find(name)).ok_or_else(|| missing("host", &HOST))?;
    let time = TIME.iter().find_map(|name| find(name)).ok_or_else(|| missing("time", &TIME))?;
    let mut others = Vec::new();
    for (column, name) in names.iter().enumerate() {
        let known = [&HOST[..], &TIME[..], &LABELS[..]].concat();
        if column == host || column == time || known.iter().any(|it| name.eq_ignore_ascii_case(it))
        {
            continue;
        }
        if name.is_empty() {
            return Err(format!("column {} has no name: name it or leave it out", column + 1));
        }
        if names[..column].contains(name) {
            return Err(format!("there are two columns `{name}`: rename one of them"));
        }
        others.push((column, name));
    }
    let shape = match (find("metric"), find("value")) {
        (Some(metric), Some(value)) => {
            if let Some((_, name)) =
                others.iter().find(|(column, _)| *column != metric && *column != value)
            {
                return Err(format!(
                    "beside `metric` and `value` there is a column `{name}`: make it a part of the \
                     metric's name, or leave it out"
                ));
            }
            Shape::Long { metric, value }
        }
        _ if others.is_empty() => {
            return Err(
                "it names no metric: there should be a column for each metric, or the two \
                        columns `metric` and `value`"
                    .to_owned(),
            );
        }
        _ => Shape::Wide(others.iter().map(|(column, name)| (*column, place(name))).collect()),
    };
    Ok(Layout { fields: names.len(), host, time, role: find("role"), split: find("split"), shape })
}

fn missing(what: &str, names: &[&str]) -> String {
    format!("no column tells the {what}: call one `{}`", names.join("`, `"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(line: &str) -> Result<Layout, String> {
        let mut places = 0..;
        read(&line.split(',').collect(), |_| places.next().unwrap_or_default())
    }

    #[test]
    fn both_shapes_are_recognised_by_their_columns() {
        let wide = layout("Entity,time,role,cpu,split,memory").unwrap();
        assert_eq!((wide.host, wide.time, wide.role, wide.fields), (0, 1, Some(2), 6));
        assert_eq!(wide.split, Some(4));
        assert_eq!(wide.shape, Shape::Wide(vec![(3, 0), (5, 1)]));
        let long = layout("at,node,metric,value,zone").unwrap();
        assert_eq!((long.host, long.time, long.role), (1, 0, None));
        assert_eq!(long.shape, Shape::Long { metric: 2, value: 3 });
        // `host` is the host where a Prometheus also says `instance`.
        assert_eq!(layout("instance,host,at,cpu").unwrap().host, 1);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (line, words) in [
            ("timestamp,cpu", "`host`, `entity`"),
            ("host,cpu", "`timestamp`, `time`"),
            ("host,time,role", "no metric"),
            ("host,time,cpu,cpu", "two columns `cpu`"),
            ("host,time,,cpu", "column 3 has no name"),
            ("host,time,metric,value,device", "`device`"),
        ] {
            let error = layout(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
