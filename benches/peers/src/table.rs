//! One line per bar: number, scenario, our figure, the peer's, ratio, bar, held or missed.

use crate::harness::Samples;

/// What a ratio has to be.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// Throughput of ours over the peer's, at least this.
    AtLeast(f64),
    /// Cost of ours over the peer's, at most this.
    AtMost(f64),
}

impl Bound {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(bound) => ratio >= bound,
            Self::AtMost(bound) => ratio <= bound,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!(">= {}", short(bound)),
            Self::AtMost(bound) => format!("<= {}", short(bound)),
        }
    }
}

/// A bar: two contestants of a group and what their ratio has to be.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// Its number in the performance document.
    pub number: &'static str,
    /// Our contestant.
    pub ours: &'static str,
    /// The other contestant.
    pub peer: &'static str,
    /// The goal; `None` where only a floor applies.
    pub goal: Option<Bound>,
    /// What must hold already.
    pub floor: Option<Bound>,
    /// The goal that more effort would reach.
    pub stretch: Option<f64>,
}

impl Bar {
    /// A bar on throughput.
    pub const fn faster(number: &'static str, ours: &'static str, peer: &'static str, times: f64) -> Self {
        Self { number, ours, peer, goal: Some(Bound::AtLeast(times)), floor: None, stretch: None }
    }

    /// A bar on a latency or a cost.
    pub const fn cheaper(number: &'static str, ours: &'static str, peer: &'static str, times: f64) -> Self {
        Self { number, ours, peer, goal: Some(Bound::AtMost(times)), floor: None, stretch: None }
    }

    /// The same bar, with a lower one that must hold already.
    pub const fn floor(mut self, times: f64) -> Self {
        self.floor = Some(match self.goal {
            Some(Bound::AtMost(_)) => Bound::AtMost(times),
            _ => Bound::AtLeast(times),
        });
        self
    }

    /// The same bar, which must hold already as it is.
    pub const fn must(mut self) -> Self {
        self.floor = self.goal;
        self
    }

    /// The same bar without a goal: only its floor counts.
    pub const fn floor_only(mut self) -> Self {
        self.goal = None;
        self
    }

    /// The same bar, with what more effort would reach.
    pub const fn stretch(mut self, times: f64) -> Self {
        self.stretch = Some(times);
        self
    }
}

/// Prints lines and counts verdicts.
#[derive(Default)]
pub struct Table {
    held: usize,
    missed: usize,
    floors_missed: Vec<String>,
    absent: usize,
}

impl Table {
    /// Prints the heading.
    pub fn heading(&self) {
        println!(
            "{:<4} {:<15} {:<18} {:>9}  {:<26} {:>9} {:>8}  {:<9} {:<9} remarks",
            "bar", "scenario", "ours", "figure", "peer", "figure", "ratio", "bar", "floor"
        );
    }

    /// Prints the lines of a group: its bars, then, without a bar, every other contestant.
    pub fn group(&mut self, samples: &Samples, bars: &[Bar]) {
        for bar in bars {
            self.bar(samples, bar);
        }
        let reference = bars.first().map_or("", |bar| bar.ours);
        let mentioned = |name: &str| bars.iter().any(|bar| bar.ours == name || bar.peer == name);
        for name in samples.names().filter(|name| !mentioned(name)) {
            let ours = samples.median(reference);
            let ratio = samples.quotient(name, reference);
            let figures =
                Figures { ours: reference, ours_ns: ours, peer: name, peer_ns: samples.median(name) };
            println!("{} {:>8}  {:<9} {:<9}", figures.text("-", samples.group), ratio_text(ratio), "-", "-");
        }
    }

    fn bar(&mut self, samples: &Samples, bar: &Bar) {
        let ours = samples.median(bar.ours);
        let peer = samples.median(bar.peer);
        let bound = bar.goal.or(bar.floor);
        let ratio = match bound {
            Some(Bound::AtMost(_)) => samples.quotient(bar.ours, bar.peer),
            _ => samples.quotient(bar.peer, bar.ours),
        };
        let figures = Figures { ours: bar.ours, ours_ns: ours, peer: bar.peer, peer_ns: peer };
        let mut remark = bar.stretch.map(|stretch| format!("stretch {}", short(stretch))).unwrap_or_default();
        let (kept, rounds) = samples.kept();
        remark.push_str(&format!(
            " {kept}/{rounds} rounds, noise {}, foreign {:.0} %",
            short(samples.noise),
            samples.foreign * 100.0
        ));
        if samples.noisy {
            remark.push_str(" NOISY");
        }
        let head = figures.text(bar.number, samples.group);
        self.verdict(
            &format!("{} {}", bar.number, samples.group),
            &head,
            ratio,
            bar.goal,
            bar.floor,
            &remark,
        );
    }

    /// Prints a line whose figures are not times: bytes, blocks, microseconds of CPU. `figure` and `limit` are
    /// in `unit`; the ratio printed is their quotient.
    pub fn absolute(&mut self, bar: &Absolute<'_>) {
        let head = format!(
            "{:<4} {:<15} {:<18} {:>9}  {:<26} {:>9}",
            bar.number,
            bar.scenario,
            bar.ours,
            bar.figure.map_or_else(|| "none".into(), |figure| format!("{}{}", short(figure), bar.unit)),
            bar.peer,
            bar.peer_figure.map_or_else(|| "-".into(), |figure| format!("{}{}", short(figure), bar.unit)),
        );
        let Some(limit) = bar.limit else {
            println!("{head} {:>8}  {:<9} {:<9} {}", "-", "-", "-", bar.remark);
            return;
        };
        let goal = Some(Bound::AtMost(1.0));
        let ratio = bar.figure.map(|figure| figure / limit);
        let remark = format!("at most {}{} {}", short(limit), bar.unit, bar.remark);
        let floor = if bar.must { goal } else { None };
        self.verdict(&format!("{} {}", bar.number, bar.scenario), &head, ratio, goal, floor, &remark);
    }

    fn verdict(
        &mut self,
        name: &str,
        head: &str,
        ratio: Option<f64>,
        goal: Option<Bound>,
        floor: Option<Bound>,
        remark: &str,
    ) {
        let bound = |bound: Option<Bound>| bound.map_or_else(|| "-".into(), Bound::text);
        let word = |bound: Option<Bound>| match (bound, ratio) {
            (None, _) => "",
            (Some(_), None) => "absent",
            (Some(bound), Some(ratio)) if bound.holds(ratio) => "held",
            _ => "missed",
        };
        let (goal_word, floor_word) = (word(goal), word(floor));
        match goal_word {
            "held" => self.held += 1,
            "missed" => self.missed += 1,
            "absent" => self.absent += 1,
            _ => {}
        }
        if matches!(floor_word, "missed" | "absent") {
            self.floors_missed.push(name.to_owned());
        }
        let mut words = goal_word.to_owned();
        if !floor_word.is_empty() {
            words.push_str(&format!(" (floor {floor_word})"));
        }
        println!(
            "{head} {:>8}  {:<9} {:<9} {} {}",
            ratio_text(ratio),
            bound(goal),
            bound(floor),
            words.trim(),
            remark.trim()
        );
    }

    /// Prints a line that only informs.
    pub fn note(&self, text: &str) {
        println!("     {text}");
    }

    /// Prints the sums; returns whether every floor held.
    pub fn finish(&self) -> bool {
        println!("bars: {} held, {} missed, {} absent", self.held, self.missed, self.absent);
        if self.floors_missed.is_empty() {
            println!("floors: none missed");
        } else {
            println!("floors missed: {}", self.floors_missed.join("; "));
        }
        self.floors_missed.is_empty()
    }
}

/// A line for [`Table::absolute`].
pub struct Absolute<'a> {
    /// The bar's number, `-` for none.
    pub number: &'a str,
    /// The scenario.
    pub scenario: &'a str,
    /// What of ours is measured.
    pub ours: &'a str,
    /// Our figure; `None` when it could not be taken.
    pub figure: Option<f64>,
    /// The peer, if there is one to show.
    pub peer: &'a str,
    /// Its figure.
    pub peer_figure: Option<f64>,
    /// The unit of all three figures.
    pub unit: &'a str,
    /// The bar itself.
    pub limit: Option<f64>,
    /// Whether the bar must hold already.
    pub must: bool,
    /// What else there is to say.
    pub remark: &'a str,
}

struct Figures<'a> {
    ours: &'a str,
    ours_ns: Option<f64>,
    peer: &'a str,
    peer_ns: Option<f64>,
}

impl Figures<'_> {
    fn text(&self, number: &str, scenario: &str) -> String {
        format!(
            "{number:<4} {scenario:<15} {:<18} {:>9}  {:<26} {:>9}",
            self.ours,
            time_text(self.ours_ns),
            self.peer,
            time_text(self.peer_ns)
        )
    }
}

fn ratio_text(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".into(), |ratio| format!("{}x", short(ratio)))
}

fn time_text(ns: Option<f64>) -> String {
    match ns {
        None => "absent".into(),
        Some(ns) if ns < 10_000.0 => format!("{} ns", short(ns)),
        Some(ns) if ns < 10_000_000.0 => format!("{} us", short(ns / 1e3)),
        Some(ns) => format!("{} ms", short(ns / 1e6)),
    }
}

/// Three significant digits or so.
fn short(value: f64) -> String {
    if value >= 100.0 || value == value.trunc() {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        let text = format!("{value:.2}");
        text.strip_suffix('0').unwrap_or(&text).to_owned()
    }
}
