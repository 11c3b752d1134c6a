use std::{fmt::Write as _, fs, path::PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::anomaly::Observation;

/// Files with these texts, and what is read from them.
struct Files {
    _directory: TempDir,
    paths: Vec<PathBuf>,
}

impl Files {
    fn new(texts: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = texts
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let path = directory.path().join(format!("{index}.csv"));
                fs::write(&path, text).unwrap();
                path
            })
            .collect();
        Self { _directory: directory, paths }
    }

    fn read(&self) -> (Vec<Observation>, Dataset) {
        let mut dataset = Dataset::open(&self.paths).unwrap();
        let observations: Result<Vec<_>, _> = dataset.observations().unwrap().collect();
        (observations.unwrap(), dataset)
    }
}

fn read(text: &str) -> (Vec<Observation>, Dataset) {
    Files::new(&[text]).read()
}

/// As lines that can be compared, also where a value is missing.
fn lines(observations: &[Observation]) -> Vec<String> {
    observations.iter().map(|it| format!("{} {} {:?}", it.at, it.host, it.values)).collect()
}

const WIDE: &str = "host,timestamp,role,cpu,memory\n\
                    web-1,60,web,1,10\n\
                    web-1,120,web,2,\n\
                    db-1,60,db,3,30\n\
                    db-1,120,db,NaN,40\n";

#[test]
fn both_shapes_give_the_same_observations_in_the_order_of_time() {
    let (wide, dataset) = read(WIDE);
    assert_eq!(
        lines(&wide),
        [
            "60000 db-1 [3.0, 30.0]",
            "60000 web-1 [1.0, 10.0]",
            "120000 db-1 [NaN, 40.0]",
            "120000 web-1 [2.0, NaN]",
        ]
    );
    assert_eq!(dataset.schema().metrics(), ["cpu", "memory"]);
    assert_eq!(dataset.roles()["db-1"], "db");
    assert_eq!(dataset.span(), (60_000, 120_000));
    assert_eq!(dataset.report(), &Report { rows: 4, ..Report::default() });

    let (long, dataset) = read(
        "instance,time,metric,value\nweb-1,60,cpu,1\nweb-1,60,memory,10\nweb-1,120,cpu,2\n\
         db-1,60,memory,30\ndb-1,60,cpu,3\ndb-1,120,memory,40\ndb-1,120,cpu,\n",
    );
    assert_eq!(lines(&long), lines(&wide));
    assert_eq!(dataset.report().bad, 0);
}

#[test]
fn a_series_after_the_other_is_joined_too() {
    let (series, _) = read(
        "metric,host,timestamp,value\ncpu,web-1,60,1\ncpu,web-1,120,2\ncpu,db-1,60,3\n\
         memory,web-1,60,10\nmemory,db-1,60,30\nmemory,db-1,120,40\n",
    );
    assert_eq!(lines(&series), lines(&read(WIDE).0));
}

#[test]
fn the_order_of_rows_the_line_ends_and_the_manner_of_times_do_not_matter() {
    let by_time = "host,timestamp,role,cpu,memory\nweb-1,60,web,1,10\ndb-1,60,db,3,30\n\
                   web-1,120,web,2,\ndb-1,120,db,NaN,40\n";
    let expected = lines(&read(WIDE).0);
    for text in [
        by_time.to_owned(),
        WIDE.replace('\n', "\r\n"),
        format!("\u{feff}{WIDE}"),
        WIDE.trim_end().to_owned(),
        WIDE.replace(",60,", ",1970-01-01T00:01:00Z,")
            .replace(",120,", ",1970-01-01T01:02:00+01:00,"),
        WIDE.replace(",60,", ",60.0,"),
        WIDE.replace("web-1,", "\"web-1\",").replace("memory\n", "\"memory\"\n"),
    ] {
        let (observations, dataset) = read(&text);
        assert_eq!(lines(&observations), expected, "{text}");
        assert_eq!(dataset.report().bad, 0, "{text}");
    }
}

#[test]
fn a_quoted_field_may_hold_commas_quotes_and_line_ends() {
    let (observations, dataset) =
        read("host,timestamp,\"cpu, all \"\"cores\"\"\"\n\"a,\n\"\"b\"\"\",2,1\nc,1,2\nd,1,x\n");
    assert_eq!(dataset.schema().metrics(), ["cpu, all \"cores\""]);
    assert_eq!(lines(&observations), ["1000 c [2.0]", "2000 a,\n\"b\" [1.0]"]);
    assert_eq!(dataset.report().examples[0].line, 5);
}

#[test]
fn bad_rows_are_counted_and_named() {
    let text = "host,timestamp,cpu\nweb-1,60,1\nweb-1,soon,2\nweb-1,120\nweb-1,180,fast\n\
                ,240,1\nweb-1,60,9\nweb-1,300,5\n";
    for (text, end) in [(text.to_owned(), "LF"), (text.replace('\n', "\r\n"), "CR LF")] {
        let (observations, dataset) = read(&text);
        assert_eq!(lines(&observations), ["60000 web-1 [1.0]", "300000 web-1 [5.0]"], "{end}");
        let report = dataset.report();
        assert_eq!((report.rows, report.bad), (7, 5), "{end}");
        let mut named: Vec<_> =
            report.examples.iter().map(|bad| (bad.line, bad.reason.as_str())).collect();
        named.sort_unstable();
        assert_eq!(
            named,
            [
                (3, "`soon` is no time: times are seconds since 1970 or RFC 3339"),
                (4, "it has 2 fields where the header has 3"),
                (5, "`fast` is no number"),
                (6, "it names no host"),
                (7, "this host and time were there before"),
            ],
            "{end}"
        );
        assert!(report.to_string().starts_with("5 of 7 rows were left out:\n"), "{report}");
    }
}

#[test]
fn only_the_first_bad_rows_are_named() {
    let text = format!("host,timestamp,cpu\na,1,1\n{}", "a,never,1\n".repeat(25));
    let (_, dataset) = read(&text);
    assert_eq!((dataset.report().bad, dataset.report().examples.len()), (25, EXAMPLES));
    assert!(dataset.report().to_string().ends_with("… and 15 more"));
}

#[test]
fn several_files_are_one_data_set() {
    let files = Files::new(&[
        "host,timestamp,cpu\na,1,1\na,2,2\nb,1,3\n",
        "node,at,role,memory,cpu\nc,1,db,5,6\n",
        "host,time,metric,value\na,2,memory,7\na,2,cpu,8\n",
    ]);
    let (observations, dataset) = files.read();
    assert_eq!(dataset.schema().metrics(), ["cpu", "memory"]);
    assert_eq!(
        lines(&observations),
        ["1000 a [1.0, NaN]", "1000 b [3.0, NaN]", "1000 c [6.0, 5.0]", "2000 a [2.0, 7.0]"]
    );
    assert_eq!(dataset.report().examples[0].file, files.paths[2]);
    assert_eq!(dataset.report().bad, 1);
}

#[test]
fn rows_of_another_part_are_as_if_they_were_not_there() {
    let files = Files::new(&[
        "host,time,split,cpu\na,1,train,1\na,2,TEST,2\nb,1,test,3\na,9,\n",
        "host,time,cpu\nc,1,4\n",
    ]);
    let read = |part| {
        let mut dataset = Dataset::open_part(&files.paths, part, |_| {}).unwrap();
        let observations: Result<Vec<_>, _> = dataset.observations().unwrap().collect();
        (lines(&observations.unwrap()), dataset)
    };
    let (train, dataset) = read(Some(Part::Train));
    assert_eq!(train, ["1000 a [1.0]", "1000 c [4.0]"]);
    assert_eq!(dataset.hosts().iter().collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!((dataset.part(), dataset.span()), (Some(Part::Train), (1_000, 1_000)));
    assert_eq!((dataset.report().rows, dataset.report().bad), (3, 1));
    let (test, _) = read(Some(Part::Test));
    assert_eq!(test, ["1000 b [3.0]", "1000 c [4.0]", "2000 a [2.0]"]);
    let (all, dataset) = read(None);
    assert_eq!((all.len(), dataset.part()), (4, None));

    let only_training = Files::new(&["host,time,split,cpu\na,1,train,1\n"]);
    let error = Dataset::open_part(&only_training.paths, Some(Part::Test), |_| {}).unwrap_err();
    assert!(error.to_string().contains("no row has `test`"), "{error}");
    // Of a file without the column every row counts.
    let whole = Dataset::open_part(&files.paths[1..], Some(Part::Test), |_| {}).unwrap();
    assert_eq!(whole.part(), None);
}

#[test]
fn the_past_of_each_host_is_gathered() {
    let files = Files::new(&[WIDE]);
    let histories = Dataset::open(&files.paths).unwrap().histories(|_| {}).unwrap();
    assert_eq!(histories.keys().collect::<Vec<_>>(), ["db-1", "web-1"]);
    assert_eq!(histories["web-1"].times, [60_000, 120_000]);
    assert_eq!(format!("{:?}", histories["db-1"].rows), "[3.0, 30.0, NaN, 40.0]");
}

#[test]
fn it_can_be_read_again_and_says_how_far_it_is() {
    let files = Files::new(&[WIDE]);
    let mut told = Vec::new();
    let mut dataset = Dataset::open_with(&files.paths, |bytes| told.push(bytes)).unwrap();
    assert_eq!(told, [dataset.bytes()]);
    for _ in 0..2 {
        let mut observations = dataset.observations().unwrap();
        assert_eq!(observations.by_ref().count(), 4);
        let header = "host,timestamp,role,cpu,memory\n".len() as u64;
        assert_eq!(observations.bytes_read() + header, WIDE.len() as u64);
        drop(observations);
        assert_eq!(dataset.report().rows, 4);
    }
}

#[test]
fn what_cannot_be_read_is_said_in_a_sentence() {
    let opened = |text: &str| Dataset::open(&Files::new(&[text]).paths).unwrap_err().to_string();
    assert!(opened("").contains("the file is empty"));
    assert!(opened("a,b\n1,2\n").contains("no column tells the host"));
    assert!(opened("host,time,cpu\na,b,1\n").contains("no row of"));
    assert!(Dataset::open(&[]).unwrap_err().to_string().contains("no file"));
    let missing = Dataset::open(&[PathBuf::from("/nowhere.csv")]).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read /nowhere.csv: "), "{missing}");
    let backwards: Vec<_> = (0..=MAX_RUNS).rev().map(|at| format!("a,{at},1\n")).collect();
    let refused = opened(&format!("host,time,cpu\n{}", backwards.concat()));
    assert!(refused.contains("sort -t, -k2,2") && refused.contains("line 20002"), "{refused}");
    let names: Vec<_> = (0..=MAX_METRICS).map(|at| format!("a,1,m{at},1\n")).collect();
    assert!(
        opened(&format!("host,time,metric,value\n{}", names.concat()))
            .contains("more than 4096 metrics")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_order_of_rows_time_goes_on_and_nothing_is_lost(
        rows in prop::collection::vec((0_u8..4, 0_i64..30, -9_i32..9), 1..120),
        files in 1_usize..4,
    ) {
        let mut texts = vec!["host,timestamp,cpu\n".to_owned(); files];
        for (index, (host, at, value)) in rows.iter().enumerate() {
            writeln!(texts[index % files], "h{host},{at},{value}").unwrap();
        }
        texts.retain(|text| text.lines().count() > 1);
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let (observations, dataset) = Files::new(&texts).read();
        let keys: Vec<_> = observations.iter().map(|it| (it.at, it.host.clone())).collect();
        let mut expected: Vec<_> =
            rows.iter().map(|(host, at, _)| (at * 1_000, format!("h{host}"))).collect();
        expected.sort();
        expected.dedup();
        prop_assert_eq!(keys, expected);
        let report = dataset.report();
        prop_assert_eq!(report.rows, rows.len() as u64);
        prop_assert_eq!(report.rows - report.bad, observations.len() as u64);
    }
}
