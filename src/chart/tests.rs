//! The whole picture, decoded again.

use chat::Tone;
use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Many kinds of pictures, by name.
fn samples() -> Vec<(&'static str, Chart)> {
    let to = at("2025-11-05T11:03:00Z");
    let wave = |i: usize, line: usize, height: f64| {
        let x = i as f64 / 20.0 + line as f64;
        let noise = f64::from((i * 7919 + line * 104_729) as u32 % 1000) / 1000.0;
        height * (0.45 + 0.25 * x.sin() + 0.2 * noise)
    };
    let line = |label: &str, number: usize, count: i32, hours: i32, height: f64| Line {
        label: label.to_owned(),
        points: (0_u16..)
            .zip((0..count).rev())
            .map(|(i, left)| {
                let before = TimeDelta::hours(i64::from(hours)) / count * left;
                (to - before, wave(usize::from(i), number, height))
            })
            .collect(),
    };
    let chart = |title: &str, unit, lines, hours| Chart {
        title: title.to_owned(),
        unit,
        lines,
        thresholds: vec![],
        from: to - TimeDelta::hours(hours),
        to,
        zone: chrono_tz::Europe::Berlin,
    };
    let both = vec![
        Threshold { label: "warning".into(), value: 70.0, tone: Tone::Warning },
        Threshold { label: "critical".into(), value: 75.0, tone: Tone::Bad },
    ];

    let mut hour = chart("CPU of web-1", Unit::Percent, vec![line("web-1", 0, 240, 1, 95.0)], 1);
    hour.thresholds = both.clone();
    let mut low = chart("CPU of web-1", Unit::Percent, vec![line("web-1", 0, 240, 1, 30.0)], 1);
    low.thresholds = both;
    let fleet = (0..20).map(|i| line(&format!("web-{i}.eu-west-1"), i, 1000, 168, 90.0)).collect();
    let mut gaps = chart(
        "Network in of db-1",
        Unit::BytesPerSecond,
        vec![line("db-1", 0, 200, 6, 3.0e6), line("db-2", 1, 200, 6, 1.0e6)],
        6,
    );
    gaps.lines[0].points.drain(60..90);
    gaps.lines[0].points[120].1 = f64::NAN;
    gaps.lines[0].points[150].1 = f64::INFINITY;
    gaps.lines[1].points.truncate(1);
    let mut night = chart("Load of web-1", Unit::Load, vec![line("web-1", 0, 300, 12, 4.0)], 12);
    let shift = to - at("2025-10-26T06:00:00Z");
    night.from -= shift;
    night.to -= shift;
    for point in &mut night.lines[0].points {
        point.0 -= shift;
    }
    let long = "ip-10-0-3-7.very-long-name.of-a-cluster.in.eu-central-1.compute.internal:9100";
    let hostile =
        (0..6).map(|i| line(&format!("{long}\u{202e}\n{i} 漢字 🚀"), i, 60, 24, 1.0e15)).collect();
    vec![
        ("hour", hour),
        ("low", low),
        ("fleet", chart("CPU, the busiest hosts", Unit::Percent, fleet, 168)),
        ("gaps", gaps),
        ("empty", chart("Swap of web-1", Unit::Percent, vec![line("web-1", 0, 0, 1, 1.0)], 1)),
        ("night", night),
        ("hostile", chart(&long.repeat(4), Unit::BytesPerSecond, hostile, 24)),
        ("uptime", chart("Uptime", Unit::Seconds, vec![line("web-1", 0, 99, 24, 4.0e6)], 24)),
    ]
}

fn decode(file: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.width, info.height, pixels)
}

fn has(pixels: &[u8], colour: [u8; 3]) -> bool {
    pixels.chunks(3).any(|pixel| pixel == colour)
}

#[test]
fn every_kind_of_chart_is_a_picture_of_the_promised_size() {
    for (name, chart) in samples() {
        let file = png(&chart).unwrap();
        assert!(file.len() <= 150 * 1024, "{name} has {} bytes", file.len());
        let (width, height, pixels) = decode(&file);
        assert_eq!((width, height), (WIDTH, HEIGHT), "{name}");
        assert_eq!(has(&pixels, [0, 114, 178]), name != "empty", "the first line of {name}");
    }
}

#[test]
fn a_threshold_is_a_line_when_near_and_a_word_when_far() {
    let red = |chart: &Chart| {
        let (_, _, pixels) = decode(&png(chart).unwrap());
        pixels.chunks(3).filter(|pixel| *pixel == [196, 0, 0]).count()
    };
    let samples = samples();
    assert!(red(&samples[0].1) > 1500, "a dashed line across the picture");
    assert!((20..1500).contains(&red(&samples[1].1)), "only its name");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn hostile_points_never_make_it_fail(
        points in proptest::collection::vec((any::<i32>(), any::<f64>()), 0..50),
        unit in prop::sample::select(vec![
            Unit::Percent, Unit::BytesPerSecond, Unit::Load, Unit::Seconds, Unit::None,
        ]),
        label in any::<String>(), from in any::<i32>(), to in any::<i32>(), limit in any::<f64>(),
    ) {
        let moment = |seconds: i32| DateTime::from_timestamp(i64::from(seconds), 0).unwrap();
        let line = Line {
            label: label.clone(),
            points: points.into_iter().map(|(at, value)| (moment(at), value)).collect(),
        };
            let chart = Chart {
                title: label.clone(),
                unit,
                lines: vec![line.clone(); 2],
                thresholds: vec![Threshold { label: label.clone(), value: limit, tone: Tone::Bad }; 2],
                from: moment(from),
                to: moment(to),
                zone: chrono_tz::America::New_York,
            };
            prop_assert!(png(&chart).is_ok());
    }
}

#[test]
fn what_is_normal_is_behind_the_line_and_what_is_not_is_marked() {
    let to = at("2025-11-05T11:03:00Z");
    let minute = |n: i64| to - TimeDelta::minutes(n);
    let wave = |n: i64| 22.0 + 8.0 * (n as f64 / 25.0).sin() + (n * 7919 % 100) as f64 / 25.0;
    let value = |n: i64| if n < 40 { 92.0 + (n * 31 % 10) as f64 } else { wave(n) };
    let points: Vec<_> = (0..360).rev().map(|n| (minute(n), value(n))).collect();
    let chart = Chart {
        title: "#7 CPU of web-1".to_owned(),
        unit: Unit::Percent,
        lines: vec![Line { label: "web-1".to_owned(), points: points.clone() }],
        thresholds: vec![],
        from: minute(360),
        to,
        zone: chrono_tz::Europe::Berlin,
    };
    let backdrop = Backdrop {
        band: vec![(minute(360), 12.0, 35.0), (to, 12.0, 35.0)],
        day_before: (0..360).rev().map(|n| (minute(n), wave(n + 9))).collect(),
        marks: points.iter().copied().filter(|(_, value)| *value > 50.0).collect(),
        spans: vec![(minute(400), minute(430))],
    };
    let plain = png(&chart).unwrap();
    let full = png_against(&chart, &backdrop).unwrap();
    assert_eq!(plain, png_against(&chart, &Backdrop::default()).unwrap());
    assert_ne!(plain, full);
    let strange = Backdrop {
        band: vec![(to, f64::NAN, f64::INFINITY), (minute(5), 9.0, 1.0)],
        day_before: vec![(to, f64::NAN)],
        marks: vec![(to, f64::INFINITY), (minute(9999), 1.0)],
        spans: vec![(minute(9999), minute(5)), (minute(-9), minute(9999)), (to, to)],
    };
    png_against(&chart, &strange).unwrap();
}
