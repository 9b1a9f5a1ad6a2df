//! Curves as SVG.

use plotters::prelude::*;

use super::curve::{Curve, Point};

/// Why a plot cannot be drawn.
pub(super) type PlotError = Box<dyn std::error::Error + Send + Sync>;

/// Which quantile of the delay is plotted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantile {
    /// The median.
    P50,
    /// Nine in ten.
    P90,
}

impl Quantile {
    const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
        }
    }

    /// The longest delay that is plotted, in ms.
    const fn longest(self) -> i64 {
        match self {
            Self::P50 => 2_000,
            Self::P90 => 3_500,
        }
    }

    /// The point's delay in ms; `None` where everything was cut off.
    fn of(self, point: &Point) -> Option<i64> {
        match self {
            Self::P50 => point.end_of_turn_delay_ms.p50,
            Self::P90 => point.end_of_turn_delay_ms.p90,
        }
    }
}

/// Colours that the colour-blind tell apart (Okabe and Ito, 2008).
const OURS: RGBColor = RGBColor(213, 94, 0);
const SMART_TURN: RGBColor = RGBColor(0, 114, 178);
const FIXED: RGBColor = RGBColor(120, 120, 120);

/// Cut-offs in percent over delay in ms, as an SVG.
///
/// # Errors
///
/// The plotter's own.
pub(super) fn curve(curve: &Curve, quantile: Quantile) -> Result<String, PlotError> {
    let series = [
        ("ours", OURS, &curve.ours),
        ("smart-turn alone", SMART_TURN, &curve.smart_turn),
        ("fixed silence", FIXED, &curve.fixed),
    ];
    let place = |point: &Point| {
        // Beyond this a caller has said "hello?": the plot would show little else.
        let delay = quantile.of(point).filter(|delay| *delay <= quantile.longest())?;
        Some((delay as f64, point.early_cutoffs.rate * 100.0, point.default))
    };
    let places =
        |points: &[Point]| -> Vec<(f64, f64, bool)> { points.iter().filter_map(place).collect() };
    let all: Vec<_> = series.iter().flat_map(|(.., points)| places(points)).collect();
    let right = all.iter().map(|(x, ..)| *x).fold(500.0, f64::max) * 1.05;
    let top = all.iter().map(|(_, y, _)| *y).fold(5.0, f64::max) * 1.1;

    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (620, 380)).into_drawing_area();
        root.fill(&WHITE)?;
        let name = quantile.name();
        let mut chart = ChartBuilder::on(&root)
            .caption(
                format!("{}: cut off early over delay {name}", curve.group),
                ("sans-serif", 17),
            )
            .margin(10)
            .x_label_area_size(38)
            .y_label_area_size(48)
            .build_cartesian_2d(0.0..right, 0.0..top)?;
        chart
            .configure_mesh()
            .x_desc(format!("from the true end to the decision, {name}, ms"))
            .y_desc("cut off early, %")
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.0}"))
            .light_line_style(WHITE)
            .draw()?;
        for (name, colour, points) in series {
            let places = places(points);
            let line = places.iter().map(|&(x, y, _)| (x, y));
            chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?.label(name).legend(
                move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)),
            );
            // What is used, or shipped, is filled and larger.
            chart.draw_series(places.into_iter().map(|(x, y, default)| {
                let style = if default { colour.filled() } else { colour.stroke_width(1) };
                Circle::new((x, y), if default { 6 } else { 3 }, style)
            }))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.9))
            .border_style(BLACK.mix(0.2))
            .draw()?;
        root.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::super::score::{Rate, Times};
    use super::*;

    #[test]
    fn every_series_is_drawn_and_points_without_delay_are_left_out() {
        let point = |count, delays: &[i64]| Point {
            setting: "x".into(),
            default: false,
            early_cutoffs: Rate::new(count, 10),
            end_of_turn_delay_ms: Times::of(delays.iter().copied()),
            missed_ends: Rate::new(0, 10),
        };
        let curve = Curve {
            group: "plain",
            ours: vec![point(1, &[300, 400]), point(10, &[])],
            smart_turn: vec![point(3, &[250])],
            fixed: vec![point(4, &[500])],
        };
        let svg = super::curve(&curve, Quantile::P90).expect("it can be drawn");
        assert!(svg.starts_with("<svg") && svg.contains("smart-turn alone"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 3);
    }
}
