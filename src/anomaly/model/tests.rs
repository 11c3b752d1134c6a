use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use chrono::DateTime;
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::anomaly::{History, Observation, Schema, Settings};

/// Two hosts with two metrics, which is the least that has everything.
static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let schema = Schema::new(vec!["cpu".to_owned(), "memory".to_owned()]);
    let history = |phase: i64| History {
        times: (0..400).map(|index| index * 300_000).collect(),
        rows: (0..400)
            .flat_map(|index| [((index * 37 + phase) % 101) as f32, ((index * 13) % 53) as f32])
            .collect(),
    };
    let histories = [("a".to_owned(), history(0)), ("b".to_owned(), history(7))].into();
    let detector = Detector::train(schema, &histories, Settings::default());
    Model::new(detector, (0, 399 * 300_000), DateTime::UNIX_EPOCH)
});

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| encode(&MODEL).unwrap());

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.model");
    (directory, path)
}

/// The same model, as if it had been written at another time.
fn written(at: i64) -> Model {
    let mut model = MODEL.clone();
    model.header.written = at;
    model
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", path.display()).into()
}

/// With a checksum that fits.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&checksum);
    bytes
}

#[test]
fn what_was_written_is_read_and_says_the_same() {
    let mut read = decode(&BYTES).unwrap();
    assert_eq!(read.header, MODEL.header);
    assert_eq!(encode(&read).unwrap(), *BYTES);
    let mut original = MODEL.clone();
    for step in 0..50 {
        let observation = |host: &str| Observation {
            host: host.to_owned(),
            at: (400 + step) * 300_000,
            values: vec![if step > 30 { 400.0 } else { step as f64 }, 20.0],
        };
        let moment = [observation("a"), observation("b")];
        let verdicts = read.detector.look(&moment);
        assert_eq!(verdicts.len(), 2);
        assert_eq!(format!("{verdicts:?}"), format!("{:?}", original.detector.look(&moment)));
    }
}

#[test]
fn what_is_wrong_is_told_apart() {
    let error = |bytes: &[u8]| decode(bytes).unwrap_err();
    assert_eq!(error(b""), FormatError::NotAModel);
    assert_eq!(error(b"host,timestamp,cpu\n"), FormatError::NotAModel);
    assert_eq!(
        error(&BYTES[..BYTES.len() - 1]),
        FormatError::CutOff { expected: BYTES.len() as u64, found: BYTES.len() as u64 - 1 }
    );
    assert_eq!(
        error(&BYTES[..BYTES.len() - 100]),
        FormatError::CutOff { expected: BYTES.len() as u64, found: BYTES.len() as u64 - 100 }
    );
    assert!(matches!(error(&BYTES[..5]), FormatError::CutOff { .. }));
    let mut other = BYTES.clone();
    other[8] = 77;
    assert_eq!(error(&other), FormatError::OtherVersion { found: 77 });
    let mut damaged = BYTES.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    assert_eq!(error(&damaged), FormatError::Damaged);
    assert_eq!(error(&[&BYTES[..], b"\n"].concat()), FormatError::Damaged);
    // A length that no memory holds is not believed.
    let mut boundless = BYTES.clone();
    boundless[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(error(&sealed(boundless)), FormatError::Damaged);
    let mut lying = MODEL.clone();
    lying.header.hosts += 1;
    assert_eq!(error(&encode(&lying).unwrap()), FormatError::Unreadable);
}

#[test]
fn three_generations_are_kept() {
    let (_directory, path) = place();
    for at in 1..=5 {
        assert_eq!(save(&path, &written(at)).unwrap(), fs::metadata(&path).unwrap().len());
    }
    for (suffix, at) in [("", 5), (".1", 4), (".2", 3)] {
        assert_eq!(load(&suffixed(&path, suffix), None).unwrap().header.written, at, "{suffix}");
    }
    let count = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(count, GENERATIONS);
}

#[test]
fn an_older_generation_is_used_when_the_newest_cannot_be() {
    let (_directory, path) = place();
    save(&path, &written(1)).unwrap();
    save(&path, &written(2)).unwrap();
    // As after a crash between two renamings.
    fs::rename(&path, suffixed(&path, ".new")).unwrap();
    let loaded = load_newest(&path, None).unwrap();
    assert_eq!((loaded.model.header.written, loaded.passed_over.len()), (1, 1));
    assert_eq!(loaded.file, suffixed(&path, ".1"));
    save(&path, &written(3)).unwrap();
    assert_eq!(load(&suffixed(&path, ".1"), None).unwrap().header.written, 1);

    fs::write(&path, &BYTES[..100]).unwrap();
    let loaded = load_newest(&path, None).unwrap();
    assert_eq!(loaded.model.header.written, 1);
    assert!(loaded.passed_over[0].to_string().contains("cut off, 100 bytes of"));
    fs::write(suffixed(&path, ".1"), "nothing").unwrap();
    // Of several reasons that of the newest is told.
    assert!(load_newest(&path, None).unwrap_err().to_string().contains("cut off"));
    fs::remove_file(&path).unwrap();
    assert!(load_newest(&path, None).unwrap_err().to_string().contains("not a model file"));
}

#[test]
fn a_crash_between_two_renamings_loses_no_model_that_was_there() {
    let renamings = [(".1", ".2"), ("", ".1")];
    for done in 0..=renamings.len() {
        let (_directory, path) = place();
        for at in 1..=3 {
            save(&path, &written(at)).unwrap();
        }
        fs::write(suffixed(&path, ".new"), &*BYTES).unwrap();
        for (from, to) in &renamings[..done] {
            fs::rename(suffixed(&path, from), suffixed(&path, to)).unwrap();
        }
        assert_eq!(load_newest(&path, None).unwrap().model.header.written, 3, "{done}");
        // The next one takes its place, and the one before is still there.
        save(&path, &written(4)).unwrap();
        assert_eq!(load(&path, None).unwrap().header.written, 4, "{done}");
        assert_eq!(load(&suffixed(&path, ".1"), None).unwrap().header.written, 3, "{done}");
        assert_eq!(load(&suffixed(&path, ".2"), None).unwrap().header.written, 2, "{done}");
    }
}

#[test]
fn what_is_not_there_or_being_written_is_said() {
    let (_directory, path) = place();
    let missing = load_newest(&path, None).unwrap_err().to_string();
    assert!(missing.starts_with(&format!("cannot read {}: ", path.display())), "{missing}");
    let directory = load(path.parent().unwrap(), None).unwrap_err().to_string();
    assert!(directory.contains("it is not a model file"), "{directory}");
    let other = fs::File::create(suffixed(&path, ".new")).unwrap();
    other.lock().unwrap();
    let busy = save(&path, &MODEL).unwrap_err().to_string();
    assert!(busy.contains("another process is writing it"), "{busy}");
    drop(other);
    save(&path, &MODEL).unwrap();
    let nowhere = save(Path::new("/nowhere/fleet.model"), &MODEL).unwrap_err().to_string();
    assert!(nowhere.starts_with("cannot write /nowhere/fleet.model.new: "), "{nowhere}");
}

#[test]
fn other_metrics_are_refused_by_name() {
    let (_directory, path) = place();
    save(&path, &MODEL).unwrap();
    save(&path, &MODEL).unwrap();
    let against = |metrics: &[&str]| {
        let schema = Schema::new(metrics.iter().map(|&it| it.to_owned()).collect());
        load_newest(&path, Some(&schema)).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(against(&["cpu", "memory"]), Ok(()));
    let error = against(&["cpu", "load1", "load5", "load15", "disk"]).unwrap_err();
    assert!(
        error.contains(
            "only the model has `memory`, only the data have `load1`, `load5`, \
                            `load15` and 1 more"
        ),
        "{error}"
    );
    assert!(against(&["memory", "cpu"]).unwrap_err().contains("in another order"));
}

/// Every place in a model as JSON where a list or a whole number is, and the same with another length or
/// value. Of lists of many alike only the first two elements are gone into.
fn mutations(value: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    match value {
        Value::Array(items) => {
            let mut shorter = items.clone();
            if let Some(last) = shorter.pop() {
                let mut longer = items.clone();
                longer.push(last);
                found.push((" shorter".to_owned(), Value::Array(shorter)));
                found.push((" longer".to_owned(), Value::Array(longer)));
                found.push((" empty".to_owned(), Value::Array(Vec::new())));
            }
            for (place, item) in items.iter().enumerate().take(2) {
                found.extend(mutations(item).into_iter().map(|(name, mutant)| {
                    let mut items = items.clone();
                    items[place] = mutant;
                    (format!("[{place}]{name}"), Value::Array(items))
                }));
            }
        }
        Value::Object(fields) => {
            for (field, inner) in fields {
                found.extend(mutations(inner).into_iter().map(|(name, mutant)| {
                    let mut fields = fields.clone();
                    fields.insert(field.clone(), mutant);
                    (format!(".{field}{name}"), Value::Object(fields))
                }));
            }
        }
        Value::Number(number) if number.is_u64() => {
            found.extend([0, 1, 200, 100_000].map(|it| (format!(" {it}"), Value::from(it))));
        }
        _ => {}
    }
    found
}

/// JSON knows no number that is none.
fn with_numbers(value: &mut Value) {
    match value {
        Value::Array(items) => {
            for item in items {
                if item.is_null() {
                    *item = Value::from(0.0);
                }
                with_numbers(item);
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(with_numbers),
        _ => {}
    }
}

#[test]
fn parts_that_do_not_fit_together_are_refused_and_no_others_do_harm() {
    let mut whole = serde_json::to_value(&MODEL.detector).unwrap();
    with_numbers(&mut whole);
    let (mut refused, mut taken) = (Vec::new(), 0);
    for (name, mutant) in mutations(&whole) {
        let Ok(detector) = serde_json::from_value::<Detector>(mutant) else { continue };
        let mut model = MODEL.clone();
        model.header.schema = detector.schema().hash();
        model.header.hosts = detector.hosts().count() as u32;
        model.detector = detector;
        match decode(&encode(&model).unwrap()) {
            Ok(mut model) => {
                taken += 1;
                let looks = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    for step in 0..30 {
                        let observation = |host: &str| Observation {
                            host: host.to_owned(),
                            at: (400 + step) * 300_000,
                            values: vec![if step > 15 { 400.0 } else { step as f64 }, f64::NAN],
                        };
                        model.detector.look(&[observation("a"), observation("b")]);
                    }
                }));
                assert!(looks.is_ok(), "taken, and then a panic: {name}");
            }
            Err(error) => {
                assert_eq!(error, FormatError::Unreadable, "{name}");
                refused.push(name);
            }
        }
    }
    assert!(refused.len() > 150 && taken > 50, "{} refused, {taken} taken", refused.len());
    for part in [
        "season.profile",
        "scalings",
        "windows.before[0]",
        "autoregression.before[0]",
        "surprises.stretches[1].tails[1].points",
        "references",
        "peers.by_host[1]",
        "stuck.longest",
    ] {
        let named = |name: &&String| name.contains(&format!("{part} shorter"));
        assert!(refused.iter().any(|name| named(&name)), "{part} is taken when it is too short");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_damage_is_read_as_a_model(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut bytes = BYTES.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(decode(&bytes).is_err());
        prop_assert!(decode(&BYTES[..at]).is_err());
    }

    #[test]
    fn hostile_bytes_with_a_fitting_checksum_do_no_harm(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = BYTES.clone();
        for (place, byte) in &places {
            let at = place.index(bytes.len());
            bytes[at] = *byte;
        }
        let _ = decode(&sealed(bytes));
        let cut = BYTES[..4 + end.index(BYTES.len() - 4)].to_vec();
        prop_assert!(decode(&sealed(cut)).is_err() || end.index(BYTES.len() - 4) == 0);
    }

    #[test]
    fn whatever_comes_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).is_err());
        prop_assert!(decode(&[&BYTES[..8], &bytes].concat()).is_err());
        prop_assert!(decode(&[&BYTES[..12], &bytes].concat()).is_err());
    }
}
