//! An evaluation as lines for people. Pure.

use crate::anomaly::evaluate::{Evaluation, Nab, Summary};

/// Everything, one finding a line.
pub(super) fn text(evaluation: &Evaluation) -> String {
    let mut lines = vec![format!(
        "{} entities; {} of their points are labelled.",
        evaluation.entities,
        percent(evaluation.anomaly_ratio)
    )];
    if evaluation.unseen_intervals > 0 {
        lines.push(format!(
            "{} labelled intervals have no score in them and are left out: score a host also while \
             it is silent.",
            evaluation.unseen_intervals
        ));
    }
    match &evaluation.given_alarms {
        Some(given) => decisions(&mut lines, "Alarms as given", given),
        None => {
            lines.extend([String::new(), "Alarms: the scores have no column `alarm`.".to_owned()]);
        }
    }
    if !evaluation.kinds.is_empty() {
        lines.extend([String::new(), "Events detected, by kind".to_owned()]);
        for (kind, recall) in &evaluation.kinds {
            let share = recall.detected as f64 / recall.events as f64;
            lines.push(format!(
                "  {kind:<20} {:>6}   {} of {}",
                percent(share),
                recall.detected,
                recall.events
            ));
        }
    }
    let oracle = &evaluation.global_oracle;
    let title = format!("Best single threshold, known only afterwards ({:.6})", oracle.threshold);
    decisions(&mut lines, &title, &oracle.summary);
    if let Some(free) = &evaluation.threshold_free {
        lines.extend([
            String::new(),
            "Without a threshold, mean over entities with events".to_owned(),
            format!("  AUC-ROC {:.4}   AUC-PR {:.4}", free.auc_roc, free.auc_pr),
            format!("  VUS-ROC {:.4}   VUS-PR {:.4}", free.vus_roc, free.vus_pr),
            format!("  best point F1 {:.4}", free.point_f1_best),
            format!(
                "  PA%K F1: K=20 % {:.4}, K=50 % {:.4}, area over K {:.4}",
                free.pa20_f1_best, free.pa50_f1_best, free.pak_auc
            ),
            format!(
                "  point-adjusted F1 {:.4} (random scores reach 0.7 on this; do not use it)",
                free.pa_f1_best
            ),
        ]);
    }
    nab(&mut lines, "NAB at the best threshold", evaluation.nab);
    nab(&mut lines, "NAB of the alarms as given", evaluation.nab_given_alarms);
    lines.join("\n")
}

fn decisions(lines: &mut Vec<String>, title: &str, summary: &Summary) {
    let Summary { events, detected, false_alarms, .. } = summary;
    lines.extend([
        String::new(),
        title.to_owned(),
        format!(
            "  event F1 {}   precision {}   recall {}",
            number(summary.event_f1),
            number(summary.event_precision),
            number(summary.event_recall)
        ),
        format!("  {detected} of {events} events detected, {false_alarms} false alarms"),
        format!(
            "  {} false alarms per host and day, {} alarms per detected event, {} of the time in \
             alarm",
            number(summary.false_alarms_per_host_day),
            number(summary.alarms_per_event),
            percent(summary.time_in_alarm)
        ),
        format!(
            "  delay: median {}, 90 % within {}",
            seconds(summary.delay_median_seconds),
            seconds(summary.delay_p90_seconds)
        ),
        format!(
            "  point F1 {}   composite F1 {}",
            number(summary.point_f1),
            number(summary.composite_f1)
        ),
    ]);
}

fn nab(lines: &mut Vec<String>, title: &str, nab: Option<Nab>) {
    if let Some(nab) = nab {
        lines.extend([
            String::new(),
            title.to_owned(),
            format!(
                "  standard {:.2}   low false positives {:.2}   low false negatives {:.2}",
                nab.standard, nab.low_false_positives, nab.low_false_negatives
            ),
        ]);
    }
}

fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "—".to_owned() }
}

fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.2} %", 100.0 * share) } else { "—".to_owned() }
}

fn seconds(value: f64) -> String {
    if value.is_finite() { format!("{value:.0} s") } else { "—".to_owned() }
}
