//! A collector of the crate `tracing` that keeps all it is told, of all threads of the process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

/// The fields of a span or an event, as text.
pub(crate) type Fields = BTreeMap<&'static str, String>;

/// A span, as far as it has come.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// Its number among all.
    pub(crate) number: usize,
    pub(crate) name: &'static str,
    pub(crate) level: Level,
    pub(crate) parent: Option<usize>,
    pub(crate) fields: Fields,
    pub(crate) entered: usize,
    pub(crate) left: usize,
    pub(crate) closed: bool,
    target: &'static str,
}

impl Span {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) level: Level,
    pub(crate) parent: Option<usize>,
    pub(crate) fields: Fields,
}

/// What is called with the name of each call, outside of the collector's lock.
type Hook = Arc<dyn Fn(&'static str) + Send + Sync>;

/// Handles of one collection.
#[derive(Clone, Default)]
pub(crate) struct Collector {
    state: Arc<Mutex<State>>,
    hook: Option<Hook>,
}

#[derive(Default)]
struct State {
    spans: Vec<Span>,
    events: Vec<Told>,
}

/// The number of a span, among what the registry keeps of it.
struct Number(usize);

impl Collector {
    /// A collector that also calls a hook.
    pub(crate) fn with_hook(hook: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self { hook: Some(Arc::new(hook)), ..Self::default() }
    }

    /// Makes it the collector of the process. The first one stays.
    pub(crate) fn install(self) -> &'static Self {
        static INSTALLED: OnceLock<Collector> = OnceLock::new();
        INSTALLED.get_or_init(|| {
            tracing::dispatcher::set_global_default(self.dispatch()).expect("there is no other one");
            self
        })
    }

    /// The same, to be set for a thread.
    pub(crate) fn dispatch(&self) -> Dispatch {
        Dispatch::new(Registry::default().with(self.clone()))
    }

    /// All spans of this crate, in the order of their making.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.lock().spans.iter().filter(|span| span.target == "trolleybus").cloned().collect()
    }

    /// All events of this crate.
    pub(crate) fn events(&self) -> Vec<Told> {
        self.lock().events.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing of the application's runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn called(&self, what: &'static str) {
        if let Some(hook) = &self.hook {
            hook(what);
        }
    }

    fn with_span(&self, id: &Id, context: &Context<'_, Registry>, change: impl FnOnce(&mut Span)) {
        if let Some(number) = number(id, context) {
            change(&mut self.lock().spans[number]);
        }
    }
}

fn number(id: &Id, context: &Context<'_, Registry>) -> Option<usize> {
    context.span(id)?.extensions().get::<Number>().map(|number| number.0)
}

impl Layer<Registry> for Collector {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, Registry>) {
        let mut fields = Fields::new();
        attributes.record(&mut Text(&mut fields));
        let metadata = attributes.metadata();
        let span = context.span(id).expect("it is new");
        let parent = span.parent().and_then(|parent| number(&parent.id(), &context));
        {
            let mut state = self.lock();
            let number = state.spans.len();
            span.extensions_mut().insert(Number(number));
            state.spans.push(Span {
                number,
                name: metadata.name(),
                level: *metadata.level(),
                parent,
                fields,
                entered: 0,
                left: 0,
                closed: false,
                target: metadata.target(),
            });
        }
        self.called("new_span");
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, Registry>) {
        let mut fields = Fields::new();
        values.record(&mut Text(&mut fields));
        self.with_span(id, &context, |span| span.fields.append(&mut fields));
        self.called("record");
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, Registry>) {
        if event.metadata().target() == "trolleybus" {
            let mut fields = Fields::new();
            event.record(&mut Text(&mut fields));
            let parent = context.event_span(event).and_then(|parent| number(&parent.id(), &context));
            self.lock().events.push(Told { level: *event.metadata().level(), parent, fields });
        }
        self.called("event");
    }

    fn on_enter(&self, id: &Id, context: Context<'_, Registry>) {
        self.with_span(id, &context, |span| span.entered += 1);
        self.called("enter");
    }

    fn on_exit(&self, id: &Id, context: Context<'_, Registry>) {
        self.with_span(id, &context, |span| span.left += 1);
        self.called("exit");
    }

    fn on_close(&self, id: Id, context: Context<'_, Registry>) {
        self.with_span(&id, &context, |span| span.closed = true);
        self.called("close");
    }
}

struct Text<'a>(&'a mut Fields);

impl Visit for Text<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
