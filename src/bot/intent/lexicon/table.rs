//! The words, by meaning. Where a word stands twice, the first meaning counts.

use crate::metrics::{Signal, Stat};

use super::{Day, Word};

/// Meanings, each with its spellings.
pub(super) const WORDS: &[(Word, &str)] = &[
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
        "io i/o activity throughput reads writes read write read/write reads/writes r/w written reading writing",
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
         folks team everyone guys sir um uh er eh oh ah hm breakdown update rundown view \
         describe inspect looks looked seem seems appear appears pretty quite bit little lot behaving behave \
         performing perform performance resource resources pressure pc above below under exceeding \
         exceeds exceed greater more less larger smaller running runs run capacity what're \
         maintenance ticket number# id ids named called system systems operating average's \
         history trending trended trends mine place places spot spots thing's possible \
         action actions remediation remediations search grep high low normal almost nearly enough heavy back ones speed consumers consumer asc desc ascending descending 'em ye ya u r s t re ve m ll sorry bother excuse bro dude pal but him growth such kind sort type hit hits reach reached reaching \
         wide widely wise physical virtual main root mount mounted mounts point's available's",
    ),
    (Word::Preposition, "on of for at from @"),
    (Word::In, "in inside"),
    (Word::Article, "the teh"),
    (Word::And, "and & + plus or"),
    (
        Word::Question,
        "wich whch wat what which who how why when where whats hows wheres whens what'd how'd whatever",
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
    (
        Word::Most,
        "highest most largest biggest heaviest hottest greatest fullest longest worst hungriest heavily",
    ),
    (
        Word::Least,
        "lowest least smallest shortest fewest lightest idlest quietest coolest emptiest best",
    ),
    (Word::Free, "free available unused idle"),
    (Word::Top, "top tpo"),
    (Word::Bottom, "bottom"),
    (
        Word::Chart,
        "chart charts graph graphs plot plots draw visualize visualise picture diagram trend timeline sparkline image graphed plotted charted visual curve",
    ),
    (Word::Host(false), "host server machine node instance box vm computer"),
    (
        Word::Host(true),
        "hosts servers machines nodes instances boxes vms computers group groups cluster tier pool role env environment",
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
         fishy peculiar spikes spike unexpected weirdly strangely oddly unusually abnormally erratic \
         erratically",
    ),
    (Word::Happened, "happened happen occurred"),
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
        "forecast forecasts forecasting predict predicting prediction predicted projection projected extrapolate",
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
        "not nope nah nicht nein kein keine niemals jamais nunca jangan не нет don't dont do-not never no cannot can't cant won't wont shouldn't mustn't wouldn't \
         couldn't doesn't didn't didnt doesnt nobody nothing neither nor avoid without nevermind \
         cancel abort refrain forget skip instead kidding joking hold hypothetically pretend \
         suppose supposing imagine",
    ),
    (
        Word::Condition,
        "if unless when's whenever once after before until till while otherwise should might maybe \
         perhaps possibly whether assuming provided later tomorrow eventually case next soon \
         lol lmao rofl haha hahaha jk j/k /s xd hmm",
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
         install uninstall upgrade patch execute drain unmute unsilence unack \
         unacknowledge",
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
