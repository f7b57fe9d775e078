//! The exact lines for a bus with known traffic, what the builder refuses, and an agent that fails.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cadence::MetricSink;

use super::address::client_to;
use super::round::Rounds;
use super::*;
use crate::{DeliveryMode, EventBus};

/// An agent that notes what it gets, and takes no more than so many lines.
#[derive(Clone, Default)]
struct Agent(Arc<Mutex<(Vec<String>, Option<usize>)>>);

impl Agent {
    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("lock").0)
    }

    fn takes(&self, lines: Option<usize>) {
        self.0.lock().expect("lock").1 = lines;
    }
}

impl MetricSink for Agent {
    fn emit(&self, metric: &str) -> io::Result<usize> {
        let mut state = self.0.lock().expect("lock");
        if let Some(left) = &mut state.1 {
            *left = left.checked_sub(1).ok_or(io::ErrorKind::WouldBlock)?;
        }
        state.0.push(metric.to_owned());
        Ok(metric.len())
    }
}

fn rounds(bus: &EventBus, agent: &Agent, tags: &[&str]) -> Rounds {
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    Rounds::new(Arc::clone(bus.hub()), client_to(agent.clone(), &tags), "here".to_owned())
}

#[test]
fn a_bus_with_known_traffic_sends_these_lines_round_after_round() {
    let bus = EventBus::builder().memory_engine("audit").route("audit", ["auth.*"]).build().expect("valid");
    let queue = bus.subscribe::<u32>("order.*").capacity(1).delivery(DeliveryMode::DropOldest);
    let _queue = queue.receiver().expect("subscribed");
    let _fails = bus.subscribe_any("auth.*").handle_inline(|_| Err::<(), _>(std::fmt::Error));
    let publish = |topic, times: u32| (0..times).for_each(|number| drop(bus.publish(topic, number)));
    publish("order.placed", 4);
    let agent = Agent::default();
    // What came before is in the gauges alone.
    let mut rounds = rounds(&bus, &agent, &["env:prod", "blue"]);
    publish("order.placed", 2);
    publish("auth.login", 3);
    let expected = |audit: [u32; 3], dropped: u32, reasons: &[&str]| -> Vec<String> {
        let [audit_total, audit_new, audit_failed] = audit;
        let mut lines = vec![
            "delivered_total:0|g|#env:prod,blue,engine:memory".to_owned(),
            "dropped_total:5|g|#env:prod,blue,engine:memory".to_owned(),
            "in_flight:1|g|#env:prod,blue,engine:memory".to_owned(),
            "delivered:0|c|#env:prod,blue,engine:memory".to_owned(),
            format!("dropped:{dropped}|c|#env:prod,blue,engine:memory"),
            "failed:0|c|#env:prod,blue,engine:memory".to_owned(),
        ];
        lines.extend(reasons.iter().map(|it| format!("dropped_by_reason:{it}")));
        lines.extend([
            format!("delivered_total:{audit_total}|g|#env:prod,blue,engine:audit"),
            "dropped_total:0|g|#env:prod,blue,engine:audit".to_owned(),
            "in_flight:0|g|#env:prod,blue,engine:audit".to_owned(),
            format!("delivered:{audit_new}|c|#env:prod,blue,engine:audit"),
            "dropped:0|c|#env:prod,blue,engine:audit".to_owned(),
            format!("failed:{audit_failed}|c|#env:prod,blue,engine:audit"),
            format!("delivered_total:{audit_total}|g|#env:prod,blue,engine:_all"),
            "dropped_total:5|g|#env:prod,blue,engine:_all".to_owned(),
        ]);
        lines.into_iter().map(|line| format!("eventbus.{line}")).collect()
    };
    assert_eq!(rounds.send(), (15, true));
    let oldest = ["2|c|#env:prod,blue,engine:memory,reason:oldest"];
    assert_eq!(agent.lines(), expected([3, 3, 3], 2, &oldest));
    // Nothing new; and no tag has come twice.
    assert_eq!(rounds.send(), (14, true));
    assert_eq!(agent.lines(), expected([3, 0, 0], 0, &[]));
    publish("auth.login", 1);
    assert_eq!(rounds.send(), (14, true));
    assert_eq!(agent.lines(), expected([4, 1, 1], 0, &[]));
}

#[test]
fn what_could_not_be_sent_is_part_of_the_next_round() {
    let bus = EventBus::new();
    let _inline = bus.subscribe_any("t").handle_inline(|_| ()).expect("subscribed");
    let agent = Agent::default();
    let mut rounds = rounds(&bus, &agent, &[]);
    let publish = |times: u32| (0..times).for_each(|number| drop(bus.publish("t", number)));
    let mut delivered = 0;
    // The count of delivered events is the fourth line.
    for takes in [None, Some(3), Some(0), Some(4), Some(5), None] {
        publish(10);
        agent.takes(takes);
        let (lines, complete) = rounds.send();
        assert_eq!(complete, takes.is_none());
        assert_eq!(takes.unwrap_or(8) as u64, lines);
        for line in agent.lines() {
            if let Some(rest) = line.strip_prefix("eventbus.delivered:") {
                delivered += rest.split('|').next().and_then(|it| it.parse::<u32>().ok()).expect("a count");
            }
        }
        assert!(delivered <= 60);
    }
    assert_eq!(delivered, 60);
}

#[test]
fn the_builder_refuses_what_cannot_work() {
    let bus = EventBus::new();
    let builder = || DatadogExporter::builder(&bus).address("127.0.0.1:9");
    let error = builder().interval(Duration::ZERO).start().expect_err("refused");
    assert!(matches!(error, DatadogError::ZeroInterval), "{error}");
    let long = format!("unix:///{}", "a".repeat(200));
    for address in
        ["", "here", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:0", "unix://", "unix://a\0b", &long]
    {
        let error = builder().address(address).start().expect_err(address);
        assert!(
            matches!(&error, DatadogError::InvalidAddress { address: its, .. } if its == address),
            "{error}"
        );
    }
    for prefix in ["", ".", "a.", "a..b", "a:b", "a|b", "a b", "ä"] {
        let error = builder().prefix(prefix).start().expect_err(prefix);
        assert!(matches!(&error, DatadogError::InvalidPrefix { prefix: its } if its == prefix), "{error}");
    }
    for tag in ["", ":", ":value", "a,b", "a|b", "a\nb", "engine:x", "reason", "reason:x"] {
        let error = builder().tag(tag).start().expect_err(tag);
        assert!(matches!(&error, DatadogError::InvalidTag { tag: its } if its == tag), "{error}");
    }
    let good = builder().prefix("shop.events_2").tags(["env:prod", "a:b:c", "zürich", "engines:x"]);
    assert_eq!(good.start().expect("valid").stop().rounds, 1);
}
