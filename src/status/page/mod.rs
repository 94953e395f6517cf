//! The report as a page for people.
//!
//! The page is written here and nowhere else: its script fetches it again every second and takes
//! over what has changed.

mod branch;
mod text;

use std::fmt::{self, Write as _};

use self::text::{Count, Span, Text, Time};
use super::report::Report;
use crate::DrainReport;

pub(super) const STYLE: &str = include_str!("status.css");
pub(super) const SCRIPT: &str = include_str!("status.js");
pub(super) const ICON: &str = include_str!("status.svg");

pub(super) fn render(report: &Report) -> String {
    let mut page = String::with_capacity(16 << 10);
    // A string takes everything.
    let _ = write(&mut page, report);
    page
}

fn write(page: &mut String, report: &Report) -> fmt::Result {
    let name = Text(&report.name);
    let version = Text(&report.version);
    let uptime = Span(report.uptime());
    let time = Time(report.now.wall());
    let (class, mark, state) = if report.is_draining {
        (
            "warn",
            "◐",
            "Draining: takes nothing new, delivers what it holds",
        )
    } else {
        ("good", "●", "Serving")
    };
    write!(
        page,
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{name}: status</title>
<link rel="icon" href="status.svg">
<link rel="stylesheet" href="status.css">
<script src="status.js" defer></script>
</head>
<body>
<header>
<h1>{name}</h1>
<p class="state {class}" role="status"><span aria-hidden="true">{mark}</span> <span>{state}</span></p>
<dl class="facts">
<div><dt>Version</dt><dd>{version}</dd></div>
<div><dt>Up</dt><dd>{uptime}</dd></div>
<div><dt>As of</dt><dd>{time}</dd></div>
</dl>
<p class="stale" role="alert" hidden></p>
</header>
<main>
"#
    )?;
    write_items(page, &report.items)?;
    page.write_str("<div class=\"branches\">\n")?;
    for (number, branch) in report.branches.iter().enumerate() {
        branch::write(page, branch, &report.now, &format!("b{number}"), 2)?;
    }
    if report.branches.is_empty() {
        page.write_str("<p>There are no branches.</p>\n")?;
    }
    page.write_str(
        r#"</div>
</main>
<footer>
<p>Items are spans, data points and log records, since the start. <a href="status.json">JSON</a> · <a href="metrics">Prometheus metrics</a></p>
<noscript><p>Load this page again for newer values.</p></noscript>
</footer>
</body>
</html>
"#,
    )
}

/// The conservation law, in figures.
fn write_items(page: &mut String, items: &DrainReport) -> fmt::Result {
    let parts = [
        ("delivered", "reached a backend", items.delivered),
        ("in flight", "without an answer yet", items.in_flight),
        (
            "retained",
            "answered for, and kept to be delivered",
            items.retained,
        ),
        ("rejected", "refused for good by a backend", items.rejected),
        (
            "refused",
            "handed back to the sender in an error",
            items.refused,
        ),
        (
            "cancelled",
            "the sender went away before its answer",
            items.cancelled,
        ),
        ("dropped", "lost", items.dropped),
    ];
    page.write_str(
        "<section class=\"items\" aria-labelledby=\"items\">\n<h2 id=\"items\">Items</h2>\n<dl class=\"sum\">\n",
    )?;
    figure(
        page,
        "",
        "accepted",
        "let into the pipeline",
        items.accepted,
    )?;
    for (place, (name, what, count)) in parts.into_iter().enumerate() {
        figure(page, if place == 0 { "=" } else { "+" }, name, what, count)?;
    }
    page.write_str("</dl>\n")?;
    let sum: u64 = parts.iter().map(|(_, _, count)| count).sum();
    if sum == items.accepted {
        page.write_str(
            "<p class=\"law\"><span class=\"good\" aria-hidden=\"true\">✓</span> Every accepted item is accounted for.</p>\n",
        )?;
    } else {
        let difference = Count(sum.abs_diff(items.accepted));
        writeln!(
            page,
            "<p class=\"law bad\"><span aria-hidden=\"true\">✕</span> {difference} items are not accounted for.</p>"
        )?;
    }
    let mut drops = items.drops().peekable();
    if drops.peek().is_some() {
        page.write_str("<p class=\"bad\"><span aria-hidden=\"true\">✕</span> Dropped:")?;
        for (place, (reason, count)) in drops.enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(page, "{comma} {} for {}", Count(count), reason)?;
        }
        page.write_str("</p>\n")?;
    }
    page.write_str("</section>\n")
}

fn figure(page: &mut String, sign: &str, name: &str, what: &str, count: u64) -> fmt::Result {
    let class = match (name, count) {
        (_, 0) => "none",
        ("dropped", _) => "bad",
        ("rejected" | "refused" | "cancelled", _) => "warn",
        _ => "",
    };
    let sign = match sign {
        "" => String::new(),
        sign => format!("<span class=\"sign\" aria-hidden=\"true\">{sign}</span>"),
    };
    writeln!(
        page,
        "<div class=\"{class}\" title=\"{what}\"><dt>{sign}{name}</dt><dd>{}</dd></div>",
        Count(count)
    )
}
