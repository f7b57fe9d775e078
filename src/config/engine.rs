//! One engine of a configuration, and one rule.

use super::problem::{ConfigError, ConfigProblem, ConfigProblemKind};
use super::settings::Settings;
use super::value::Place;
use crate::pattern::TopicPattern;
use crate::tenant::Tenant;

/// An engine that is listed in a configuration.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) settings: Settings,
    /// Where the name and the type stand.
    pub(super) name_at: Place,
    pub(super) kind_at: Place,
}

impl EngineSettings {
    /// An engine of a type, with no settings.
    #[must_use]
    #[track_caller]
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        let at = Place::caller();
        let settings = Settings::default();
        Self { name: name.into(), kind: kind.into(), settings, name_at: at.clone(), kind_at: at }
    }

    /// Gives it settings.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The name by which rules find it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its type, such as `memory`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its settings, which the engine reads itself.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl EngineSettings {
    /// An error about these settings, for what their types cannot say. The reason must hold no secrets.
    pub fn refuse(&self, why: impl std::fmt::Display) -> ConfigError {
        let kind = ConfigProblemKind::Engine { message: why.to_string() };
        ConfigProblem::new(&self.name_at, self.name.clone(), kind).into()
    }
}

/// Places do not count.
impl PartialEq for EngineSettings {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.kind, &self.settings) == (&other.name, &other.kind, &other.settings)
    }
}

/// Says which engine gets which topics.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(super) patterns: Vec<TopicPattern>,
    /// `None`: everybody's events, and those of no tenant.
    pub(super) tenants: Option<Vec<Tenant>>,
    pub(super) engine: String,
    /// Where the rule and the name of its engine stand.
    pub(super) at: Place,
    pub(super) engine_at: Place,
}

impl Rule {
    /// A rule for topics that match one of the patterns.
    ///
    /// ```
    /// use trolleybus::{Config, EngineSettings, Rule, TopicPattern};
    ///
    /// let config = Config::new()
    ///     .with_engine_settings(EngineSettings::new("near", "memory"))
    ///     .with_rule(Rule::new([TopicPattern::new("user.*")?], "near"));
    /// assert!(config.check().is_ok());
    /// # Ok::<(), trolleybus::PatternError>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new(patterns: impl IntoIterator<Item = TopicPattern>, engine: impl Into<String>) -> Self {
        let at = Place::caller();
        let patterns = patterns.into_iter().collect();
        Self { patterns, tenants: None, engine: engine.into(), at: at.clone(), engine_at: at }
    }

    /// The patterns of the topics.
    #[must_use]
    pub fn patterns(&self) -> &[TopicPattern] {
        &self.patterns
    }

    /// Makes it a rule about events of these tenants alone.
    #[must_use]
    pub fn for_tenants(mut self, tenants: impl IntoIterator<Item = Tenant>) -> Self {
        self.tenants = Some(tenants.into_iter().collect());
        self
    }

    /// Whose events alone it is about; `None`: everybody's, and those of no tenant.
    #[must_use]
    pub fn tenants(&self) -> Option<&[Tenant]> {
        self.tenants.as_deref()
    }

    /// The name of the engine.
    #[must_use]
    pub fn engine(&self) -> &str {
        &self.engine
    }
}

/// Places do not count.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        (&self.engine, &self.patterns, &self.tenants) == (&other.engine, &other.patterns, &other.tenants)
    }
}
