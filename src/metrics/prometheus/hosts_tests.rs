use super::{super::answer::Number, *};

fn labels(host: &str) -> Labels {
    Labels {
        host: host.into(),
        environment: "environment".into(),
        role: "role".into(),
        zone: "zone".into(),
    }
}

fn item(labels: &[(&str, &str)], value: f64) -> Item {
    let metric = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Item { metric, value: Some((1.0, Number(value))), values: vec![(1.0, Number(value))] }
}

fn uname(instance: &str, nodename: &str) -> Item {
    item(&[("instance", instance), ("job", "node"), ("nodename", nodename)], 1.0)
}

fn up(instance: &str, value: f64) -> Item {
    item(&[("instance", instance), ("job", "node"), ("environment", "prod")], value)
}

fn names(known: &Known) -> Vec<&str> {
    known.fleet.hosts().iter().map(|host| host.name.as_str()).collect()
}

#[test]
fn an_address_loses_its_port_and_nothing_else() {
    for (instance, address) in [
        ("10.0.0.1:9100", "10.0.0.1"),
        ("web-1", "web-1"),
        ("web-1:9100", "web-1"),
        ("[::1]:9100", "::1"),
        ("[::1]", "::1"),
        ("fe80::1", "fe80::1"),
        ("https://example.com/", "https://example.com/"),
        ("https://example.com:443", "https://example.com:443"),
        (":9100", ":9100"),
        ("web:", "web:"),
        ("[oops", "[oops"),
        ("", ""),
    ] {
        assert_eq!(without_port(instance), address);
    }
}

#[test]
fn a_host_is_named_by_its_node_and_answers_to_its_addresses() {
    let known = Known::from_sightings(
        &labels("instance"),
        &Sightings {
            present: vec![uname("10.0.0.1:9100", "web-1"), uname("[fd00::2]:9100", "db-1")],
            up: vec![up("10.0.0.1:9100", 1.0), up("[fd00::2]:9100", 0.0), up("10.0.0.9:9100", 0.0)],
            up_counts: true,
            past: vec![uname("10.0.0.9:9100", "web-9"), uname("10.0.0.77:9100", "gone")],
        },
    );
    assert_eq!(names(&known), ["db-1", "web-1", "web-9"]);
    for name in ["web-1", "WEB-1", "10.0.0.1", "10.0.0.1:9100"] {
        assert_eq!(known.fleet.find(name).unwrap().name, "web-1");
    }
    assert_eq!(known.fleet.find("fd00::2").unwrap().name, "db-1");
    let states: Vec<_> = known.fleet.hosts().iter().map(|host| host.up).collect();
    assert_eq!(states, [false, true, false]);
    assert_eq!(known.fleet.find("web-1").unwrap().environment.as_deref(), Some("prod"));
}

#[test]
fn two_machines_never_share_a_name() {
    let known = Known::from_sightings(
        &labels("instance"),
        &Sightings {
            present: vec![
                uname("10.0.0.1:9100", "localhost"),
                uname("10.0.0.2:9100", "localhost"),
                // One address, two machines behind it.
                uname("gate:9101", "a"),
                uname("gate:9102", "b"),
                // Named like another's address.
                uname("10.0.0.3:9100", "10.0.0.4"),
                uname("10.0.0.4:9100", "c"),
                // One machine, two exporters.
                uname("10.0.0.5:9100", "d"),
                uname("10.0.0.5:9182", "d"),
            ],
            ..Sightings::default()
        },
    );
    assert_eq!(names(&known), ["10.0.0.1", "10.0.0.2", "10.0.0.3", "a", "b", "c", "d"]);
    assert!(known.fleet.find("localhost").is_none());
    assert!(known.fleet.find("gate").is_none());
    assert_eq!(known.fleet.find("10.0.0.4").unwrap().name, "c");
    assert_eq!(known.fleet.find("d").unwrap().instances, ["10.0.0.5:9100", "10.0.0.5:9182"]);
}

#[test]
fn a_configured_label_is_the_name() {
    let host = |name: &str, env: &str| {
        let labels = [("host", name), ("env", env), ("role", "db"), ("instance", "x:1")];
        item(&[&labels[..], &[("availability_zone", "eu-1a")]].concat(), 1.0)
    };
    let present = vec![host("db-1:5", "dev"), host("db-2", " "), item(&[("instance", "y:1")], 1.0)];
    let known =
        Known::from_sightings(&labels("host"), &Sightings { present, ..Sightings::default() });
    assert_eq!(names(&known), ["db-1:5", "db-2"]);
    let first = &known.fleet.hosts()[0];
    assert_eq!((first.environment.as_deref(), first.role.as_deref()), (Some("dev"), Some("db")));
    assert_eq!(first.zone.as_deref(), Some("eu-1a"));
    assert_eq!(known.fleet.hosts()[1].environment, None);
}

#[test]
fn an_unreadable_name_is_left_out_and_counted() {
    let present = vec![
        uname("10.0.0.1:9100", "web\u{202e}-1"),
        uname("evil\u{1b}[2J:9100", "\n"),
        uname(&"x".repeat(254), &"y".repeat(254)),
        uname("\u{200b}", "good"),
    ];
    let known =
        Known::from_sightings(&labels("instance"), &Sightings { present, ..Sightings::default() });
    assert_eq!(names(&known), ["10.0.0.1", "good"]);
    assert_eq!(known.warnings, ["hosts left out because their names cannot be read: 2"]);
}

#[test]
fn numbers_belong_to_hosts_and_parts() {
    let labels = labels("instance");
    let present = vec![uname("a:1", "web-1"), uname("a:2", "web-1")];
    let known = Known::from_sightings(&labels, &Sightings { present, ..Sightings::default() });
    let disk = |instance, device, mount, value| {
        item(&[("instance", instance), ("device", device), ("mountpoint", mount)], value)
    };
    let items = vec![
        disk("a:2", "/dev/sda1", "/", 99.0),
        disk("a:1", "/dev/sda1", "/etc/hosts", 10.0),
        disk("a:1", "/dev/sda1", "/", 10.0),
        disk("a:1", "/dev/sdb", "/data\u{7}", f64::NAN),
        disk("a:1", "nas:/vol", "/home", 30.0),
        disk("unknown:1", "/dev/sda1", "/", 50.0),
    ];
    let (mut values, warnings) = known.measure(&labels, Signal::Disk, items);
    values.sort_by(|a, b| a.part.cmp(&b.part));
    let parts: Vec<_> = values.iter().map(|value| value.part.as_deref().unwrap()).collect();
    assert_eq!(parts, ["/", "/data\\u{7}", "/home"]);
    assert_eq!((values[0].host.as_str(), values[0].value), ("web-1", 10.0));
    assert!(values[1].value.is_nan());
    assert_eq!(warnings, ["series left out because they belong to no known host: 1"]);
}
