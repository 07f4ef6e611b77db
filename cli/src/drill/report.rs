//! The drill's result for people and for scripts.

use serde::Serialize;

use super::check::Check;
use super::scenario::Kind;

/// What a drill found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The seed that repeats it.
    pub seed: u64,
    /// One for each scenario.
    pub outcomes: Vec<Outcome>,
}

/// What one scenario found.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Which scenario.
    pub kind: Kind,
    /// The nodes that were broken.
    pub victims: Vec<usize>,
    /// How long it took.
    pub seconds: f64,
    /// Certified replies during it.
    pub replies: u64,
    /// Why it was not run, if it was not.
    pub left_out: Option<String>,
    /// What was checked.
    pub checks: Vec<Check>,
}

impl Outcome {
    /// A scenario that cannot run here.
    pub fn left_out(kind: Kind, why: &str) -> Self {
        let left_out = Some(why.to_owned());
        Self { kind, victims: vec![], seconds: 0.0, replies: 0, left_out, checks: vec![] }
    }

    /// Whether all checks held.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.held)
    }

    /// In a word.
    pub fn verdict(&self) -> &'static str {
        match (&self.left_out, self.passed()) {
            (Some(_), _) => "left out",
            (None, true) => "holds",
            (None, false) => "FAILS",
        }
    }
}

impl Report {
    /// An empty report.
    pub fn new(seed: u64) -> Self {
        Self { seed, outcomes: Vec::new() }
    }

    /// Whether everything held.
    pub fn passed(&self) -> bool {
        self.outcomes.iter().all(Outcome::passed)
    }

    /// The report as text.
    pub fn text(&self) -> String {
        let mut text = format!("Plinth drill, seed {}\n", self.seed);
        for outcome in &self.outcomes {
            text += &format!(
                "\n{} (nodes {:?}): {}, {:.0} s, {} certified replies\n",
                outcome.kind.title(),
                outcome.victims,
                outcome.verdict(),
                outcome.seconds,
                outcome.replies
            );
            if let Some(why) = &outcome.left_out {
                text += &format!("  -    {why}\n");
            }
            for check in &outcome.checks {
                let mark = if check.held { "ok  " } else { "FAIL" };
                text += &format!("  {mark} {}: {}\n", check.what, check.detail);
            }
        }
        text += match self.passed() {
            true => "\neverything held\n",
            false => "\nnot everything held\n",
        };
        text
    }
}
