//! A host that no model foretells.

use super::*;

/// What is said of one host whose metrics mostly rest and sometimes leap, so that no model foretells them,
/// around four minutes in which all of them are higher.
fn a_restless_host() -> Vec<Verdict> {
    let metrics = |minute: i64| -> Vec<f64> {
        (0..5).map(|metric| 50.0 + 20.0 * noise(7, minute, metric).powi(9)).collect()
    };
    let history = History {
        times: (0..DAYS * 1440).map(|minute| minute * MINUTE).collect(),
        rows: (0..DAYS * 1440).flat_map(metrics).map(|value| value as f32).collect(),
    };
    let histories = BTreeMap::from([("db-1".to_owned(), history)]);
    let mut detector = Detector::train(schema(), &histories, Settings::default());
    let mut look = |minute: i64| {
        let fault = if (60..64).contains(&minute) { 60.0 } else { 0.0 };
        let minute = DAYS * 1440 + minute;
        let values = metrics(minute).into_iter().map(|value| value + fault).collect();
        detector.look(&[Observation { host: "db-1".into(), at: minute * MINUTE, values }]).remove(0)
    };
    (0..240).map(&mut look).collect()
}

#[test]
fn where_no_model_remembers_a_fault_is_not_forgotten_at_once() {
    let verdicts = a_restless_host();
    let [before, fault, soon, later] = [59, 60, 80, 180].map(|minute| verdicts[minute].score);
    assert!(fault > 4.0 && before < 0.1 * fault, "{before}, then {fault}");
    assert!(soon > 0.4 * fault && later < 0.2 * fault, "{fault}, then {soon} and {later}");
    // The moment decides: what is remembered keeps no alarm.
    assert!(verdicts[100].alarm && !verdicts[115].alarm);
}
