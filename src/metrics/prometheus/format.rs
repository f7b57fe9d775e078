//! The two texts that a scrape may ask for.

/// What a scrape is answered in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// `OpenMetrics` 1.0, which Prometheus itself prefers.
    OpenMetrics,
    /// The text format 0.0.4, which everything that scrapes understands.
    #[default]
    Text,
}

impl Format {
    /// Returns the format for a request with this `Accept` header: [`OpenMetrics`](Self::OpenMetrics) if it names that.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let names_it = |range: &str| {
            let media_type = range.split(';').next().unwrap_or_default().trim();
            media_type.eq_ignore_ascii_case("application/openmetrics-text")
        };
        if accept.split(',').any(names_it) { Self::OpenMetrics } else { Self::Text }
    }

    /// Returns the `Content-Type` of the answer.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Turns `OpenMetrics` into the text format 0.0.4. They differ, in what counters and gauges need, in the head of a family
/// alone: that of a counter has the name of its samples, and there is neither a unit nor an end.
pub(super) fn classic(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut help = None;
    for line in open.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let Some((name, kind)) = rest.split_once(' ') else { continue };
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, help)) = help.take() {
                text.extend(["# HELP ", name, suffix, " ", help, "\n"]);
            }
            text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with("# ") {
            text.extend([line, "\n"]);
        }
    }
    text
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn prometheus_gets_what_it_prefers_and_others_the_old_text() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        assert_eq!(Format::accepted("text/plain, Application/OpenMetrics-Text"), Format::OpenMetrics);
        for other in ["", "*/*", "text/plain", "application/openmetrics-textual", ";,;"] {
            assert_eq!(Format::accepted(other), Format::Text, "{other}");
        }
    }

    #[test]
    fn heads_get_the_names_of_their_samples() {
        let open = "# HELP a Help of \"a\".\n# TYPE a counter\na_total{l=\"# TYPE x\"} 1\n# HELP b_seconds Time.\n\
                    # TYPE b_seconds gauge\n# UNIT b_seconds seconds\nb_seconds 0.5\n# EOF\n";
        let text = "# HELP a_total Help of \"a\".\n# TYPE a_total counter\na_total{l=\"# TYPE x\"} 1\n\
                    # HELP b_seconds Time.\n# TYPE b_seconds gauge\nb_seconds 0.5\n";
        assert_eq!(classic(open), text);
    }
}
