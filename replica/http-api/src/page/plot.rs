//! The plot of the block rate: computed here once, so that the first paint and the script's
//! updates draw the same line.

use serde::Serialize;
use types::Time;

use crate::certified::Sample;

/// The time that the plot shows.
const SPAN_MS: u64 = 120_000;

/// Size of the drawing in its own units.
pub(crate) const WIDTH: u64 = 600;
/// See [`WIDTH`].
pub(crate) const HEIGHT: u64 = 120;

/// A line over the last two minutes.
#[derive(Debug, Serialize)]
pub(crate) struct Plot {
    /// `points` of an SVG polyline in a box of 600 by 120.
    pub(crate) points: String,
    /// The rate at the upper edge, blocks a second.
    pub(crate) rate_max: u64,
    /// The latest rate in tenths of a block a second.
    pub(crate) rate_tenths: u64,
}

/// The rate between one sample and the next, the last one reaching to now: a node that stands
/// still shows a falling line, not an old one.
pub(crate) fn of_samples(samples: &[Sample], now: Time) -> Plot {
    let mut samples = samples.to_vec();
    if let Some(last) = samples.last().copied().filter(|last| now.ms_since(last.at) >= 2_000) {
        samples.push(Sample { at: now, height: last.height });
    }
    let rates: Vec<(Time, u64)> = samples.windows(2).filter_map(rate_tenths).collect();
    let highest = rates.iter().map(|(_, rate)| *rate).max().unwrap_or(0);
    let rate_max = nice_ceiling(highest.div_ceil(10));
    let points: Vec<String> =
        rates.iter().filter_map(|(at, rate)| point(now.ms_since(*at), *rate, rate_max)).collect();
    let rate_tenths = rates.last().map_or(0, |(_, rate)| *rate);
    Plot { points: points.join(" "), rate_max, rate_tenths }
}

fn rate_tenths(pair: &[Sample]) -> Option<(Time, u64)> {
    let [before, after] = pair else { return None };
    let blocks = after.height.0.saturating_sub(before.height.0);
    let ms = after.at.ms_since(before.at);
    Some((after.at, blocks.saturating_mul(10_000).checked_div(ms)?))
}

fn point(age_ms: u64, rate_tenths: u64, rate_max: u64) -> Option<String> {
    let x =
        WIDTH - age_ms.checked_mul(WIDTH)?.checked_div(SPAN_MS).filter(|back| *back <= WIDTH)?;
    let y = HEIGHT - (rate_tenths.saturating_mul(HEIGHT) / rate_max.saturating_mul(10)).min(HEIGHT);
    Some(format!("{x},{y}"))
}

/// The next of 1, 2, 5, 10, 20, 50, ... that is not below `value`.
fn nice_ceiling(value: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        for step in [1, 2, 5] {
            let nice = power.saturating_mul(step);
            if nice >= value {
                return nice;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Height;

    fn samples(at_and_height: &[(u64, u64)]) -> Vec<Sample> {
        let sample = |(s, h): &(u64, u64)| Sample { at: Time::from_secs(*s), height: Height(*h) };
        at_and_height.iter().map(sample).collect()
    }

    #[test]
    fn a_line_of_rates_that_ends_now() {
        let plot = of_samples(&samples(&[(100, 0), (101, 4), (102, 9)]), Time::from_secs(102));
        assert_eq!(
            (plot.points.as_str(), plot.rate_max, plot.rate_tenths),
            ("595,24 600,0", 5, 50)
        );
    }

    #[test]
    fn a_node_that_stands_still_falls_to_zero() {
        let plot = of_samples(&samples(&[(100, 0), (101, 4)]), Time::from_secs(161));
        assert_eq!((plot.points.as_str(), plot.rate_tenths), ("300,24 600,120", 0));
    }

    #[test]
    fn nothing_to_show_and_nothing_old() {
        assert_eq!(of_samples(&[], Time(5)).points, "");
        let plot = of_samples(&samples(&[(0, 0), (1, 3)]), Time::from_secs(500));
        assert_eq!(plot.points, "600,120");
    }

    #[test]
    fn axis_ends() {
        assert_eq!([0, 1, 3, 7, 11, 400].map(nice_ceiling), [1, 1, 5, 10, 20, 500]);
        assert!(nice_ceiling(u64::MAX) == u64::MAX);
    }
}
