//! Questions about numbers: which stat, over what time, in which order.

use crate::metrics::{Signal, Stat, Window};

use super::{
    super::{Intent, Order},
    Question, stat_named,
};

impl Question<'_, '_> {
    pub(super) fn metric(&mut self, metric: Signal) -> Intent {
        let typed = self.options.get("stat").map(|setting| setting.value);
        let mut stat = typed.and_then(stat_named).or(self.cues.stat);
        if let Some(written) = typed
            && stat_named(written).is_none()
        {
            self.usage.get_or_insert_with(|| {
                "The stat is one of current, avg, max, min and p95.".to_owned()
            });
        }
        let chart = self.cues.chart || self.options.switch("chart");
        let (mut order, mut limit) = if self.cues.ranking {
            (Some(self.cues.order), self.limit().or(self.cues.one.then_some(1)))
        } else {
            (None, None)
        };
        if let Some(setting) = self.options.get("order") {
            order = match setting.value {
                "asc" | "ascending" => Some(Order::Asc),
                "desc" | "descending" => Some(Order::Desc),
                _ => {
                    self.usage.get_or_insert_with(|| "The order is asc or desc.".to_owned());
                    order
                }
            };
        }
        if let Some(setting) = self.options.get("limit") {
            limit = setting.value.parse().ok().filter(|limit| *limit > 0);
            if limit.is_none() {
                self.usage
                    .get_or_insert_with(|| "The limit is a whole number from 1 up.".to_owned());
            }
        }
        let mut window = self.window.take();
        // How long something has been up is asked of now, whatever window is named.
        if metric == Signal::Uptime {
            stat = stat.or(Some(Stat::Current));
        }
        if chart && window.is_none() && stat.is_none_or(|stat| stat == Stat::Current) {
            window = Some(Window::from_seconds(3_600));
            stat = stat.or(Some(Stat::Avg));
        }
        let stat = stat.unwrap_or(if window.is_some() { Stat::Avg } else { Stat::Current });
        if stat != Stat::Current && window.is_none() {
            window = Some(Window::from_seconds(3_600));
            self.notes.push("You named no length of time, so I took the last hour.".to_owned());
        }
        if self.cues.network_guessed {
            self.notes.push(
                "I took the network as what comes in; ask `network_out` for the rest.".to_owned(),
            );
        }
        if let Some(other) = self.cues.other_signal.filter(|other| *other != metric) {
            self.notes.push(format!("One signal at a time: for the other, ask `{other}`."));
        }
        Intent::Metric {
            metric,
            stat,
            hosts: self.hosts.names.clone(),
            window,
            order,
            limit,
            chart,
        }
    }
}
