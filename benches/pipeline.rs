//! One look at a whole fleet: the time it takes on one core, and the memory of what is known of each host.
//!
//! `cargo bench --bench pipeline -- --plot FILE.png` draws the time over the number of hosts.
#![allow(
    missing_docs,
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench, where failing is panicking"
)]

mod support;

use std::{collections::BTreeMap, path::PathBuf, time::Duration, time::Instant};

use criterion::Criterion;
use plotters::{
    prelude::{BitMapBackend, ChartBuilder, Circle, IntoDrawingArea, LineSeries},
    style::{BLACK, Color, FontStyle, RGBColor, WHITE, register_font},
};
use smartcloudops::anomaly::{Detector, History, Observation, Schema, Settings};
use support::{Times, Verdicts, measures, ms};

const METRICS: usize = 40;
/// Hosts that learn; the rest are copies of them.
const LEARNED: usize = 20;
const MINUTE: i64 = 60_000;
const TARGET: Duration = Duration::from_millis(50);
const FLEETS: [usize; 4] = [100, 1_000, 3_000, 10_000];

/// A number between -1 and 1 that only looks random.
fn noise(numbers: [i64; 3]) -> f64 {
    let mut bits = numbers.iter().fold(0x9e37_79b9_7f4a_7c15_u64, |bits, number| {
        (bits ^ number.cast_unsigned()).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(31)
    });
    bits ^= bits >> 33;
    (bits % 2_000_001) as f64 / 1e6 - 1.0
}

/// What a host of a service measures at a minute: a day, the service's demand, and noise of its own.
fn values(host: i64, minute: i64) -> Vec<f64> {
    let day = (minute as f64 / 1440.0 * std::f64::consts::TAU).sin();
    let demand = noise([-1, host % 3, minute / 9]) + 0.5 * noise([-2, host % 3, minute]);
    (0..)
        .take(METRICS)
        .map(|metric| 50.0 + 10.0 * day + 4.0 * demand + noise([host, minute, metric]))
        .collect()
}

fn trained(days: i64) -> Detector {
    let minutes = days * 1440;
    let histories: BTreeMap<String, History> = (0..)
        .take(LEARNED)
        .map(|host| {
            let times = (0..minutes).map(|minute| minute * MINUTE).collect();
            let rows = (0..minutes).flat_map(|minute| values(host, minute));
            let rows = rows.map(|value| value as f32).collect();
            (format!("host-{host:02}"), History { times, rows })
        })
        .collect();
    let schema = Schema::new((0..METRICS).map(|metric| format!("metric_{metric}")).collect());
    Detector::train(schema, &histories, Settings::default())
}

/// A fleet that is looked at minute by minute.
struct Fleet {
    detector: Detector,
    minute: i64,
}

impl Fleet {
    fn of(learned: &Detector, hosts: usize, minute: i64) -> Self {
        Self { detector: learned.repeated(hosts / LEARNED), minute }
    }

    fn next(&mut self) -> Vec<Observation> {
        self.minute += 1;
        let learned: Vec<Vec<f64>> =
            (0..).take(LEARNED).map(|host| values(host, self.minute)).collect();
        let names = self.detector.hosts().enumerate();
        names
            .map(|(place, host)| Observation {
                host: host.to_owned(),
                at: self.minute * MINUTE,
                values: learned[place % LEARNED].clone(),
            })
            .collect()
    }

    /// How long looks take, at the median.
    fn looks(&mut self, count: usize) -> Duration {
        let mut times = Times::default();
        for _ in 0..count {
            let observations = self.next();
            let start = Instant::now();
            let verdicts = self.detector.look(&observations);
            times.since(start);
            assert_eq!(verdicts.len(), observations.len());
        }
        times.median()
    }
}

/// The memory of this process; 0 where the kernel does not say.
fn memory() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

/// Times over hosts, as a picture.
fn plot(file: &PathBuf, measured: &[(usize, Duration)]) {
    register_font("sans-serif", FontStyle::Normal, include_bytes!("../src/chart/DejaVuSans.ttf"))
        .map_err(|_| "no font")
        .unwrap();
    let (width, height) = (900_u32, 500_u32);
    let mut pixels = vec![0; (width * height * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        area.fill(&WHITE).unwrap();
        let millis = |time: &Duration| time.as_secs_f64() * 1e3;
        let most = measured.iter().map(|(_, time)| millis(time)).fold(0.0, f64::max);
        let hosts = measured.iter().map(|(hosts, _)| *hosts).max().unwrap_or(1) as f64;
        let mut chart = ChartBuilder::on(&area)
            .caption("One look at a fleet of 40 metrics a host, on one core", ("sans-serif", 24))
            .margin(20)
            .x_label_area_size(50)
            .y_label_area_size(80)
            .build_cartesian_2d(0.0..hosts * 1.05, 0.0..most * 1.15)
            .unwrap();
        chart
            .configure_mesh()
            .x_desc("hosts")
            .y_desc("milliseconds")
            .x_label_formatter(&|hosts| format!("{hosts:.0}"))
            .y_label_formatter(&|time| format!("{time:.0}"))
            .label_style(("sans-serif", 18))
            .axis_desc_style(("sans-serif", 20))
            .light_line_style(WHITE)
            .draw()
            .unwrap();
        let blue = RGBColor(0, 114, 178);
        let points: Vec<_> =
            measured.iter().map(|(hosts, time)| (*hosts as f64, millis(time))).collect();
        // The straight line through nothing and the largest: where all points would be if the time
        // grew with the hosts alone.
        let last = *points.last().unwrap();
        chart.draw_series(LineSeries::new([(0.0, 0.0), last], BLACK.mix(0.3))).unwrap();
        chart.draw_series(points.iter().map(|it| Circle::new(*it, 6, blue.filled()))).unwrap();
        area.present().unwrap();
    }
    let out = std::io::BufWriter::new(std::fs::File::create(file).unwrap());
    let mut encoder = png::Encoder::new(out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let file = arguments.iter().position(|it| it == "--plot").map(|at| &arguments[at + 1]);
    let days = if measures() { 3 } else { 1 };
    let learned = trained(days);
    let minute = days * 1440;
    let mut verdicts = Verdicts::default();
    let fleets = if measures() { &FLEETS[..] } else { &FLEETS[..1] };
    let mut measured = Vec::new();
    for hosts in fleets {
        let before = memory();
        let mut fleet = Fleet::of(&learned, *hosts, minute);
        let each = memory().saturating_sub(before) / hosts;
        let time = fleet.looks(if measures() { 15 } else { 1 });
        println!(
            "{hosts:>6} hosts × {METRICS} metrics: {} a look, {:.1} µs and {} KB a host",
            ms(time),
            time.as_secs_f64() * 1e6 / *hosts as f64,
            each / 1000
        );
        if *hosts == 1_000 {
            verdicts.line("a look at 1,000 hosts", &ms(time), "<= 50 ms", time <= TARGET);
        }
        measured.push((*hosts, time));
    }
    if let Some(file) = file {
        plot(&PathBuf::from(file), &measured);
        return;
    }
    let mut fleet = Fleet::of(&learned, if measures() { 1_000 } else { 100 }, minute);
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("anomalies");
    group.sample_size(30);
    let mut next = Vec::new();
    group.bench_function("a look at 1,000 hosts of 40 metrics", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut taken = Duration::ZERO;
            for _ in 0..rounds {
                next.clone_from(&fleet.next());
                let start = Instant::now();
                std::hint::black_box(fleet.detector.look(&next));
                taken += start.elapsed();
            }
            taken
        });
    });
    group.finish();
    criterion.final_summary();
    verdicts.end();
}
