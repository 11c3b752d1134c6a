use super::*;

fn only(line: &str) -> Sample {
    let page = parse(line);
    assert_eq!((page.samples.len(), page.bad), (1, 0), "{line}: {page:?}");
    page.samples.into_iter().next().unwrap()
}

#[test]
fn a_page_of_a_node_exporter_is_read_as_a_whole() {
    let text = include_str!("../../../tests/data/node_exporter.txt");
    let page = parse(text);
    assert_eq!(page.bad, 0, "{:?}", page.examples);
    assert_eq!(page.samples.len(), text.lines().filter(|line| !line.starts_with('#')).count());
    let named = |name: &str| page.samples.iter().filter(|it| it.name == name).collect::<Vec<_>>();
    assert_eq!(named("node_load1")[0].value.to_bits(), 4.36_f64.to_bits());
    let cpu = named("node_cpu_seconds_total");
    assert_eq!(cpu.len(), 16);
    assert_eq!(cpu[0].labels[1], ("mode".to_owned(), "idle".to_owned()));
    let name = named("node_uname_info")[0];
    assert!(
        name.labels.iter().any(|(label, value)| label == "version" && value.contains("#1 SMP"))
    );
}

#[test]
fn every_part_of_a_line_may_look_unusual() {
    let sample = only("a:b_c {x=\"1\", y = \"a\\\\b\\\"c\\nd}, e\",} 1.5e3 1395066363000");
    assert_eq!(sample.name, "a:b_c");
    assert_eq!(sample.labels[1], ("y".to_owned(), "a\\b\"c\nd}, e".to_owned()));
    assert_eq!(
        (sample.value.to_bits(), sample.at),
        (1_500.0_f64.to_bits(), Some(1_395_066_363_000))
    );
    assert!(only("a NaN").value.is_nan());
    assert!(only("a{} +Inf").value.is_infinite());
    assert!(only("a -Inf -5").value < 0.0);
    assert_eq!(only("a\t3\r\n").at, None);
    assert_eq!(only("a{b=\"\\d\"} 1").labels[0].1, "\\d");
}

#[test]
fn a_bad_line_is_named_and_spoils_no_other() {
    let text = "# HELP a of course\nok 1\n1a 2\na\na{b=1} 2\na{b=\"1} 2\na{b=\"1\" c=\"2\"} 3\n\
                a{b=\"1\",b=\"2\"} 3\na one\na 1 now\na 1 2 3\nfine 2\n";
    let page = parse(text);
    assert_eq!(page.samples.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["ok", "fine"]);
    assert_eq!(page.bad, 9);
    assert_eq!(page.examples[0], (3, "it does not begin with a name".to_owned()));
    assert_eq!(page.examples[8].0, 11);
}

#[test]
fn what_is_too_long_is_bad_and_only_the_first_are_named() {
    let long = format!("a{{b=\"{}\"}} 1\n", "x".repeat(LONGEST_LINE));
    let page = parse(&long.repeat(EXAMPLES + 3));
    assert_eq!((page.bad, page.examples.len()), (13, EXAMPLES));
    let labels: Vec<_> = (0..200).map(|at| format!("l{at}=\"\",")).collect();
    assert_eq!(parse(&format!("a{{{}}} 1", labels.concat())).bad, 1);
}
