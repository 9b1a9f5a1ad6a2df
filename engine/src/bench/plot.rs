//! Curves and bars as SVG.

use std::error::Error;

use plotters::prelude::*;

/// Why a plot cannot be drawn.
pub type PlotError = Box<dyn Error + Send + Sync>;

/// Colours that the colour-blind tell apart (Okabe and Ito, 2008).
const COLOURS: [RGBColor; 6] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// A line and its name.
pub struct Series<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its points, in order.
    pub points: Vec<(f64, f64)>,
}

/// Size of a plot, in pixels.
const SIZE: (u32, u32) = (560, 340);

/// Lines over a plane.
///
/// # Errors
///
/// The plotter's own.
pub fn lines(
    caption: &str,
    axes: (&str, &str),
    series: &[Series<'_>],
) -> Result<String, PlotError> {
    let all = || series.iter().flat_map(|series| &series.points);
    let right = all().map(|point| point.0).fold(1.0, f64::max) * 1.03;
    let top = all().map(|point| point.1).fold(0.0, f64::max).max(1e-6) * 1.08;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(caption, ("sans-serif", 16))
            .margin(10)
            .x_label_area_size(38)
            .y_label_area_size(52)
            .build_cartesian_2d(0.0..right, 0.0..top)?;
        chart.configure_mesh().x_desc(axes.0).y_desc(axes.1).light_line_style(WHITE).draw()?;
        for (series, colour) in series.iter().zip(COLOURS.iter().cycle()) {
            let style = colour.stroke_width(2);
            chart
                .draw_series(LineSeries::new(series.points.iter().copied(), style))?
                .label(series.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
            if series.points.len() < 40 {
                let dot = |place: &(f64, f64)| Circle::new(*place, 3, colour.filled());
                chart.draw_series(series.points.iter().map(dot))?;
            }
        }
        if series.len() > 1 {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::LowerRight)
                .background_style(WHITE.mix(0.9))
                .border_style(BLACK.mix(0.2))
                .draw()?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// Bars that begin where they are told: a waterfall, or a histogram lying on its side.
///
/// # Errors
///
/// The plotter's own.
pub fn bars(caption: &str, axis: &str, bars: &[(String, f64, f64)]) -> Result<String, PlotError> {
    let right = bars.iter().map(|bar| bar.2).fold(1.0, f64::max) * 1.05;
    let count = bars.len().max(1) as f64;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(caption, ("sans-serif", 16))
            .margin(10)
            .x_label_area_size(38)
            .y_label_area_size(8)
            .build_cartesian_2d(0.0..right, 0.0..count)?;
        chart.configure_mesh().x_desc(axis).disable_y_mesh().disable_y_axis().draw()?;
        for (index, (name, from, to)) in bars.iter().enumerate() {
            let row = count - index as f64;
            let colour = COLOURS[index % COLOURS.len()];
            let corners = [(*from, row - 0.15), (*to, row - 0.85)];
            chart.draw_series([Rectangle::new(corners, colour.mix(0.75).filled())])?;
            let text = format!("{name} ({:.0})", to - from);
            let place = (if *from > right * 0.6 { right * 0.4 } else { *from }, row - 0.35);
            chart.draw_series([Text::new(text, place, ("sans-serif", 13))])?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// The share of `values`, which are sorted, up to each of them.
pub fn shares(values: &[f64]) -> Vec<(f64, f64)> {
    let count = values.len().max(1) as f64;
    values.iter().enumerate().map(|(at, value)| (*value, (at + 1) as f64 / count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_and_bar_is_drawn() {
        let series = [
            Series { name: "first", points: vec![(0.0, 0.0), (10.0, 1.0)] },
            Series { name: "second", points: Vec::new() },
        ];
        let svg = lines("a caption", ("x", "y"), &series).expect("it can be drawn");
        assert!(svg.contains("a caption") && svg.contains("second"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2);
        let svg = bars("stages", "ms", &[("model".to_owned(), 10.0, 40.0)]).expect("drawn");
        assert!(svg.contains("model (30)"), "{svg}");
    }

    #[test]
    fn shares_end_at_one() {
        assert_eq!(shares(&[1.0, 2.0]), [(1.0, 0.5), (2.0, 1.0)]);
        assert_eq!(shares(&[]), []);
    }
}
