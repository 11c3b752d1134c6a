//! What single words mean, and which word a mistyped one was meant to be.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::LazyLock,
};

use crate::metrics::{Signal, Stat};

/// The meaning of one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Names something measured.
    Signal(Signal),
    /// Names the network or a transfer, direction still open.
    Network,
    /// "in", "incoming": a direction of the network.
    Inward,
    /// "out", "outgoing".
    Outward,
    /// "io", "throughput": of the disk, unless the network is named.
    Transfer,
    /// Room on a disk.
    Space,
    /// Carries nothing by itself.
    Filler,
    /// Before a host.
    Preposition,
    /// "in": before a place or a time.
    In,
    /// "the": may stand between a preposition and a host.
    Article,
    /// "and".
    And,
    /// Opens a question.
    Question,
    /// A verb that opens a question when it comes first: is, are, does.
    Auxiliary,
    /// Which number.
    Stat(Stat),
    /// "highest": a maximum, or the order of a table.
    Most,
    /// "lowest".
    Least,
    /// "free": turns most into least.
    Free,
    /// "top".
    Top,
    /// "bottom".
    Bottom,
    /// Asks for a picture.
    Chart,
    /// A host in general; whether more than one.
    Host(bool),
    /// Everything there is.
    All,
    /// "this", "here".
    This,
    /// Asks how things are.
    Health,
    /// Something unusual.
    Anomaly,
    /// Something that happened.
    Happened,
    /// An incident.
    Incident,
    /// Alerts and outages.
    Alert,
    /// Broken.
    Broken,
    /// A state of incidents.
    Open,
    /// A state of incidents.
    Acked,
    /// A state of incidents.
    Closed,
    /// In a few words.
    Summary,
    /// Log lines.
    Log,
    /// "lines".
    Lines,
    /// A service that writes logs and can be restarted.
    Service,
    /// Requests that wait.
    Approvals,
    /// What ran.
    Executions,
    /// Runbooks.
    Runbooks,
    /// "predict".
    Forecast,
    /// "full".
    Full,
    /// "busy".
    Busy,
    /// A small number in words.
    Number(u32),
    /// A unit of time: seconds and the letter it is written with.
    Unit(u64, char),
    /// "last", "past".
    Last,
    /// "since".
    Since,
    /// "ago".
    Ago,
    /// "half".
    Half,
    /// A day or a part of one, for "since …".
    Day(Day),
    /// "not".
    Negation,
    /// "if".
    Condition,
    /// "said".
    Reported,
    /// A verb that acts, in the imperative or as a noun.
    Act,
    /// The same verb in the past or as a participle: never a request.
    Acted,
    /// Something the bot does not know about, so that "cpu temperature" is not "cpu".
    OffTopic,
    /// "except".
    Except,
    /// "left", "remaining".
    Left,
    /// "by".
    By,
    /// "to".
    To,
}

/// A day, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Day {
    /// Today.
    Today,
    /// The day before.
    Yesterday,
    /// Parts of the day by the hour they begin at.
    Morning,
    /// From noon.
    Noon,
    /// From 18:00.
    Evening,
    /// From 18:00, yesterday while it is still early.
    Night,
    /// 00:00.
    Midnight,
    /// 0 is Monday.
    Weekday(u8),
}

const TABLE: &[(Word, &str)] = &[
    (
        Word::Signal(Signal::Cpu),
        "cpu cpus cpu% cpu_usage processor processors cores core vcpu vcpus",
    ),
    (Word::Signal(Signal::Memory), "memory mem memory_usage ram memories"),
    (Word::Signal(Signal::Swap), "swap swapping swapspace"),
    (
        Word::Signal(Signal::Disk),
        "disk disks storage filesystem filesystems fs disk_usage diskspace disk-space volume \
         volumes partition partitions hdd ssd drive drives",
    ),
    (Word::Signal(Signal::DiskIo), "disk_io diskio disk-io iops disk/io diskstats"),
    (
        Word::Signal(Signal::NetworkIn),
        "network_in network-in netin net_in rx download downloads downloaded downloading",
    ),
    (
        Word::Signal(Signal::NetworkOut),
        "network_out network-out netout net_out tx upload uploads uploaded uploading",
    ),
    (Word::Signal(Signal::Load), "load loads loadavg load1 load_average loadaverage loaded"),
    (Word::Signal(Signal::Uptime), "uptime uptimes"),
    (Word::Network, "network net networking traffic bandwidth bytes nic lan"),
    (Word::Inward, "incoming inbound ingress received receive receives receiving inward"),
    (
        Word::Outward,
        "out outgoing outbound egress sent send sends sending transmitted transmit outward",
    ),
    (
        Word::Transfer,
        "io i/o throughput reads writes read write read/write reads/writes r/w written reading writing",
    ),
    (Word::Space, "space"),
    (
        Word::Filler,
        "a an i me we us you your it its this's that these those be been being am do did does doing \
         done get give gets show shows showing tell see display print report reports list fetch find \
         check checking look looking view want need know wanna gimme lemme let like hey hi hello yo \
         please pls plz kindly thanks thank cheers bot ops smartcloudops cloudops opsbot ok okay well \
         so just also too then than with as usage use uses used using utilisation utilization \
         consumption consumed consuming consume eating eat taking percent percentage % level levels \
         value values number numbers metric metrics stat stats statistics figure figures reading \
         current's there much many quick quickly really very actually currently's exactly about \
         over during within per each amount rate total overall across between among have has had \
         having seeing right point present time times period long data info information details \
         detail moment's compare comparison vs versus side stand standing stands sitting our my \
         their his her them they who's one's whose both would could can may shall will gone going \
         go goes went come coming think guess wondering wonder curious interested idea any some \
         something anyone someone somebody else by_host ranked sorted sort rank order ordered \
         question quickly fast again only ever lately recently so-far far yet still mate buddy friend \
         folks team everyone guys sir hmm um uh er eh oh ah hm breakdown update rundown view \
         looks looked seem seems appear appears pretty quite bit little lot behaving behave \
         performing perform performance resource resources pressure pc above below under exceeding \
         exceeds exceed greater more less larger smaller running runs run capacity what're \
         maintenance ticket number# id ids named called system systems operating average's \
         history trending trended trends mine place places spot spots thing's possible \
         'em ye ya u r s t re ve m ll such kind sort type hit hits reach reached reaching \
         wide widely wise physical virtual main root mount mounted mounts point's available's",
    ),
    (Word::Preposition, "on of for at from @"),
    (Word::In, "in inside"),
    (Word::Article, "the"),
    (Word::And, "and & + plus or"),
    (
        Word::Question,
        "what which who how why when where whats hows wheres whens what'd how'd whatever",
    ),
    (Word::Auxiliary, "is are was were has's isn't aren't wasn't ain't am"),
    (
        Word::Stat(Stat::Current),
        "current currently now live latest instantaneous moment atm today's",
    ),
    (Word::Stat(Stat::Avg), "avg average mean averages averaged averaging"),
    (Word::Stat(Stat::Max), "max maximum peak peaked peaks peaking maximal spike's maxed"),
    (Word::Stat(Stat::Min), "min minimum minimal"),
    (Word::Stat(Stat::P95), "p95 95th 95th-percentile p95th percentile percentile95 95percentile"),
    (Word::Most, "highest most largest biggest heaviest hottest greatest worst hungriest heavily"),
    (Word::Least, "lowest least smallest fewest lightest idlest quietest coolest emptiest best"),
    (Word::Free, "free available unused idle"),
    (Word::Top, "top"),
    (Word::Bottom, "bottom"),
    (
        Word::Chart,
        "chart charts graph graphs plot plots draw visualize visualise picture diagram trend timeline sparkline image graphed plotted charted visual curve",
    ),
    (Word::Host(false), "host server machine node instance box vm computer"),
    (
        Word::Host(true),
        "hosts servers machines nodes instances boxes vms computers group groups cluster tier pool",
    ),
    (
        Word::All,
        "all every everything everywhere fleet whole entire everybody infrastructure infra estate board each",
    ),
    (Word::This, "this here localhost these"),
    (
        Word::Health,
        "status health healthy ok-ish fine alright up down alive overview dashboard well-being state \
         dead unhealthy online offline reachable unreachable responding working slow sluggish \
         overloaded stats? good bad condition shape wrong sick unwell okay? healthcheck \
         happening matter laggy lagging hanging hung stuck faring feeling situation",
    ),
    (
        Word::Anomaly,
        "anomaly anomalies anomalous weird unusual strange odd abnormal outlier outliers suspicious \
         anomolies abnormalities abnormality weirdness oddities oddity irregularities irregular funny \
         fishy peculiar spikes spike unexpected",
    ),
    (Word::Happened, "happened occurred"),
    (Word::Incident, "incident incidents inc"),
    (
        Word::Alert,
        "alert alerts alarm alarms outage outages page pages problems problem issue issues",
    ),
    (Word::Broken, "broken failing breaking firing burning fire"),
    (Word::Open, "open active ongoing unresolved outstanding unacknowledged opened"),
    (Word::Acked, "acknowledged acked"),
    (Word::Closed, "resolved closed fixed past's"),
    (
        Word::Summary,
        "summarize summarise summary summaries summarized recap brief briefly tldr tl;dr digest short summarizing sum",
    ),
    (Word::Log, "log logs journal journalctl logfile logfiles tail logging"),
    (Word::Lines, "lines line entries entry messages rows"),
    (
        Word::Service,
        "nginx apache apache2 httpd postgres postgresql mysql mysqld mariadb redis redis-server \
         memcached docker dockerd containerd sshd ssh cron crond kernel syslog rsyslog journald kafka \
         rabbitmq haproxy php-fpm mongodb mongod elasticsearch grafana prometheus node_exporter \
         traefik envoy caddy varnish etcd kubelet consul vault jenkins tomcat gunicorn celery \
         postfix dovecot named bind9 bind ntpd chronyd auth access",
    ),
    (Word::Approvals, "approvals approval"),
    (Word::Executions, "executions execution ran executed"),
    (Word::Runbooks, "runbook runbooks playbook playbooks run-books"),
    (
        Word::Forecast,
        "forecast forecasts predict prediction predicted projection projected extrapolate",
    ),
    (Word::Full, "full fill fills filled filling exhausted exhaust exhausts overflow"),
    (Word::Busy, "busy busiest"),
    (Word::Number(0), "zero"),
    (Word::Number(1), "one single eins un uno"),
    (Word::Number(2), "two couple pair zwei deux dos"),
    (Word::Number(3), "three few several drei trois tres"),
    (Word::Number(4), "four vier quatre cuatro"),
    (Word::Number(5), "five cinq cinco"),
    (Word::Number(6), "six sechs seis"),
    (Word::Number(7), "seven sieben sept siete"),
    (Word::Number(8), "eight acht huit ocho"),
    (Word::Number(9), "nine neun neuf nueve"),
    (Word::Number(10), "ten zehn dix diez"),
    (Word::Number(11), "eleven"),
    (Word::Number(12), "twelve dozen"),
    (Word::Number(15), "fifteen"),
    (Word::Number(20), "twenty"),
    (Word::Number(24), "twenty-four"),
    (Word::Number(30), "thirty"),
    (Word::Number(40), "forty"),
    (Word::Number(45), "forty-five"),
    (Word::Number(48), "forty-eight"),
    (Word::Number(50), "fifty"),
    (Word::Number(60), "sixty"),
    (Word::Number(90), "ninety"),
    (Word::Number(100), "hundred"),
    (Word::Unit(1, 's'), "sec secs second seconds"),
    (Word::Unit(60, 'm'), "min. mins minute minutes"),
    (Word::Unit(3_600, 'h'), "h hr hrs hour hours"),
    (Word::Unit(86_400, 'd'), "d day days"),
    (Word::Unit(604_800, 'w'), "w wk wks week weeks"),
    (Word::Unit(1_209_600, 'w'), "fortnight fortnights"),
    (Word::Unit(2_592_000, 'd'), "month months"),
    (Word::Unit(31_536_000, 'd'), "year years"),
    (Word::Last, "last past previous recent preceding latest_n trailing"),
    (Word::Since, "since"),
    (Word::Ago, "ago"),
    (Word::Half, "half quarter"),
    (Word::Day(Day::Today), "today"),
    (Word::Day(Day::Yesterday), "yesterday"),
    (Word::Day(Day::Morning), "morning"),
    (Word::Day(Day::Noon), "noon afternoon midday"),
    (Word::Day(Day::Evening), "evening"),
    (Word::Day(Day::Night), "night tonight overnight"),
    (Word::Day(Day::Midnight), "midnight"),
    (Word::Day(Day::Weekday(0)), "monday"),
    (Word::Day(Day::Weekday(1)), "tuesday"),
    (Word::Day(Day::Weekday(2)), "wednesday"),
    (Word::Day(Day::Weekday(3)), "thursday"),
    (Word::Day(Day::Weekday(4)), "friday"),
    (Word::Day(Day::Weekday(5)), "saturday weekend"),
    (Word::Day(Day::Weekday(6)), "sunday"),
    (
        Word::Negation,
        "not don't dont do-not never no cannot can't cant won't wont shouldn't mustn't wouldn't \
         couldn't doesn't didn't didnt doesnt nobody nothing neither nor avoid without nevermind \
         cancel abort refrain forget skip instead kidding joking hold hypothetically pretend \
         suppose supposing imagine",
    ),
    (
        Word::Condition,
        "if unless when's whenever once after before until till while otherwise should might maybe \
         perhaps possibly whether assuming provided later tomorrow eventually case",
    ),
    (
        Word::Reported,
        "said says say told tells asked asks saying wrote writes suggested suggests recommends \
         recommended according claimed claims heard wants wanted thinks thought instructed ordered's \
         quote quoting quoted example documentation docs",
    ),
    (
        Word::Act,
        "restart reboot stop start scale approve reject grant revoke acknowledge ack silence snooze \
         mute resolve shutdown halt restarts reboots approves rejects stops starts scales deny \
         decline bounce relaunch kill delete destroy terminate deploy rollback drop wipe format \
         install uninstall upgrade patch drain unmute unsilence",
    ),
    (
        Word::Acted,
        "restarted restarting rebooted rebooting stopped stopping started starting scaled scaling \
         approved approving rejected rejecting granted granting revoked revoking acknowledging \
         silenced silencing muted muting snoozed resolving denied declined bounced bouncing killed \
         deleted deployed shutting acking snoozing freeing freed cleaned cleaning",
    ),
    (
        Word::OffTopic,
        "weather joke poem story song cost costs price prices buy sell stock recipe lunch dinner \
         temperature temp gpu latency requests request's qps rps pods pod kubernetes process processes \
         thread threads battery fan fans love life meaning capital president football movie music \
         write code essay translate haiku limerick explain define definition history's calculate \
         email meeting birthday bitcoin invoice bill bills billing salary password secret news \
         made model vendor brand upgrade-path architecture leak leaks war human robot dream name \
         teach learn invented inventor",
    ),
    (Word::Except, "except excluding besides excepting"),
    (Word::Left, "left remaining remains remain"),
    (Word::By, "by"),
    (Word::To, "to through thru"),
];

/// FNV-1a: the words are short and the table is ours, so nobody can choose colliding keys.
#[derive(Default)]
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

type Map = HashMap<&'static str, Word, BuildHasherDefault<Fnv>>;

static WORDS: LazyLock<Map> = LazyLock::new(|| {
    let mut map = Map::default();
    for (word, spellings) in TABLE {
        for spelling in spellings.split_ascii_whitespace() {
            map.entry(spelling).or_insert(*word);
        }
    }
    map
});

/// What a word means.
pub(super) fn look_up(text: &str) -> Option<Word> {
    if text.len() > 24 {
        return None;
    }
    WORDS.get(text).copied()
}

/// Words worth correcting: those that carry the question. Each at least four letters.
static CORRECTABLE: LazyLock<Vec<(u32, &'static str, Word)>> = LazyLock::new(|| {
    let mut words: Vec<_> = TABLE
        .iter()
        .filter(|(word, _)| {
            matches!(
                word,
                Word::Signal(_)
                    | Word::Network
                    | Word::Inward
                    | Word::Outward
                    | Word::Transfer
                    | Word::Stat(_)
                    | Word::Most
                    | Word::Least
                    | Word::Chart
                    | Word::Host(_)
                    | Word::Health
                    | Word::Anomaly
                    | Word::Incident
                    | Word::Alert
                    | Word::Summary
                    | Word::Log
                    | Word::Approvals
                    | Word::Executions
                    | Word::Runbooks
                    | Word::Forecast
                    | Word::Unit(..)
                    | Word::Day(_)
                    | Word::Free
                    | Word::Busy
                    | Word::Broken
                    | Word::Question
                    | Word::Last
                    | Word::Since
            )
        })
        .flat_map(|(word, spellings)| {
            spellings
                .split_ascii_whitespace()
                .filter(|spelling| {
                    spelling.len() >= 4
                        && spelling.bytes().all(|byte| byte.is_ascii_lowercase())
                        && !TOO_COMMON.contains(spelling)
                })
                .map(|spelling| (letters(spelling), spelling, *word))
        })
        .collect();
    for spelling in ["usage", "utilization", "utilisation", "percentage"] {
        words.push((letters(spelling), spelling, Word::Filler));
    }
    words
});

/// Words that too many other words resemble.
const TOO_COMMON: &[&str] = &[
    "rows", "reads", "send", "sends", "sent", "read", "write", "page", "pages", "fire", "dead",
    "fine", "good", "live", "mean", "last", "past", "short", "shape", "core", "cores", "loads",
    "loaded", "matter", "hung", "stuck", "best", "worst", "most", "least", "down", "bad", "well",
    "slow", "lines", "line", "tail", "drive", "drives", "draw", "image", "curve", "plot", "plots",
    "peak", "peaks", "node", "when", "where", "what", "which", "whats", "hows", "wheres", "whens",
    "noon", "pool", "tier", "brief", "state", "working", "writing", "reading", "written", "years",
    "year", "month", "second", "night", "feeling",
];

/// Which letters a word has, one bit each: a cheap bound below the edit distance.
fn letters(text: &str) -> u32 {
    text.bytes().fold(0, |mask, byte| mask | 1 << (u32::from(byte.wrapping_sub(b'a')) & 31))
}

/// The word that a mistyped one was meant to be, when there is exactly one nearest meaning.
pub(super) fn correct(text: &str) -> Option<(&'static str, Word)> {
    if text == "cup" {
        return Some(("cpu", Word::Signal(Signal::Cpu)));
    }
    if text.len() < 4 || text.len() > 16 || !text.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    let allowed = if text.len() >= 8 { 2 } else { 1 };
    let mask = letters(text);
    let bytes = text.as_bytes();
    let mut best: Option<(usize, &'static str, Word)> = None;
    for (candidate_mask, candidate, word) in CORRECTABLE.iter() {
        if candidate.len().abs_diff(text.len()) > allowed
            || (candidate_mask ^ mask).count_ones() as usize > 2 * allowed
        {
            continue;
        }
        let first = candidate.as_bytes()[0];
        if first != bytes[0] && first != bytes[1] {
            continue;
        }
        let distance = strsim::osa_distance(candidate, text);
        if distance > allowed {
            continue;
        }
        match best {
            Some((nearest, ..)) if nearest < distance => {}
            Some((nearest, _, is)) if nearest == distance && is != *word => return None,
            Some((nearest, ..)) if nearest == distance => {}
            _ => best = Some((distance, candidate, *word)),
        }
    }
    best.map(|(_, spelling, word)| (spelling, word))
}

/// A small number written in digits or as a word.
pub(super) fn number(text: &str, word: Option<Word>) -> Option<u32> {
    if let Some(Word::Number(number)) = word {
        return Some(number);
    }
    if text.len() <= 6 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    None
}
