//! One branch, and within it its fallback and its dead letter exporter.

use std::fmt::{self, Write as _};

use super::text::{Count, PerSecond, Size, Span, Text, Time};
use crate::{
    Signal,
    layers::observe::{BreakerState, LastError, QueueState},
    status::{
        BranchRole,
        report::{BranchReport, Health, Items, Now},
    },
};

pub(super) fn write(
    page: &mut String,
    branch: &BranchReport,
    now: &Now,
    id: &str,
    level: u8,
) -> fmt::Result {
    let name = Text(&branch.name);
    let (class, mark, health) = match branch.health() {
        Health::Idle => ("idle", "○", "Idle"),
        Health::Delivering => ("good", "●", "Delivering"),
        Health::Failing => ("bad", "▲", "Failing"),
        Health::HalfOpen => ("warn", "◐", "Trying again"),
        Health::Open => ("bad", "■", "Breaker open"),
    };
    let role = match branch.role {
        BranchRole::Destination => "",
        BranchRole::Fallback => "<span class=\"role\">Fallback</span> ",
        BranchRole::DeadLetter => "<span class=\"role\">Dead letter</span> ",
    };
    let kind = if level == 2 { "branch" } else { "branch other" };
    write!(
        page,
        r#"<section class="{kind}" aria-labelledby="{id}">
<div class="head">
<h{level} id="{id}">{role}{name}</h{level}>
<p class="state {class}" role="status"><span aria-hidden="true">{mark}</span> <span>{health}</span></p>
</div>
"#
    )?;
    // A fallback that is not needed takes no room.
    if level == 2 || branch.health() != Health::Idle {
        write_rate(page, branch)?;
        write_facts(page, branch)?;
        write_signals(page, branch)?;
    }
    for queue in branch.snapshot.queues() {
        write_queue(page, queue, now)?;
    }
    write_errors(page, branch)?;
    if let Some(error) = branch.last_error() {
        write_last_error(page, error, now)?;
    }
    for (number, other) in branch.others.iter().enumerate() {
        write(page, other, now, &format!("{id}-{number}"), 3)?;
    }
    page.write_str("</section>\n")
}

fn write_rate(page: &mut String, branch: &BranchReport) -> fmt::Result {
    write!(
        page,
        r#"<div class="rate">
<p><strong>{}</strong> items/s <span class="dim">in {} requests/s</span></p>
"#,
        PerSecond(branch.rate.items),
        PerSecond(branch.rate.requests),
    )?;
    write_spark(page, &branch.history)?;
    page.write_str("</div>\n")
}

/// The last minute, a bar a second, the newest at the right.
fn write_spark(page: &mut String, history: &[f64]) -> fmt::Result {
    const WIDTH: usize = 60;
    const HEIGHT: f64 = 20.0;
    let most = history.iter().copied().fold(0.0, f64::max);
    write!(
        page,
        "<svg class=\"spark\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Items a second in the last minute, at most {}\"><path d=\"",
        PerSecond(most),
    )?;
    let first = WIDTH.saturating_sub(history.len());
    for (place, value) in history.iter().rev().take(WIDTH).rev().enumerate() {
        if *value > 0.0 {
            // What is not nothing is to be seen.
            let height = (value / most * HEIGHT).max(1.0);
            write!(
                page,
                "M{} {HEIGHT}v-{height:.1}h.8v{height:.1}z",
                first + place
            )?;
        }
    }
    page.write_str("\"/></svg>\n")
}

fn fact(page: &mut String, name: &str, value: impl fmt::Display, class: &str) -> fmt::Result {
    writeln!(
        page,
        "<div><dt>{name}</dt><dd class=\"{class}\">{value}</dd></div>"
    )
}

fn write_facts(page: &mut String, branch: &BranchReport) -> fmt::Result {
    let snapshot = &branch.snapshot;
    let attempts = snapshot.attempts();
    page.write_str("<dl class=\"facts\">\n")?;
    fact(page, "Attempts", Count(attempts.started.requests), "")?;
    if let Some(retries) = branch.retries() {
        let class = if retries == 0 { "" } else { "warn" };
        fact(page, "Retries", Count(retries), class)?;
    }
    fact(page, "Under way", Count(attempts.in_flight().requests), "")?;
    if let Some(limit) = snapshot.concurrency_limit() {
        fact(page, "At most", Count(limit), "")?;
    }
    if let Some(state) = snapshot.breaker() {
        let (class, text) = match state {
            BreakerState::Closed => ("", "closed"),
            BreakerState::HalfOpen => ("warn", "half open"),
            BreakerState::Open => ("bad", "open"),
        };
        fact(page, "Breaker", text, class)?;
    }
    page.write_str("</dl>\n")
}

fn write_signals(page: &mut String, branch: &BranchReport) -> fmt::Result {
    page.write_str(
        "<div class=\"scroll\"><table class=\"signals\">\n<caption>Items by signal</caption>\n<thead><tr><th scope=\"col\">Items</th>",
    )?;
    for signal in Signal::ALL {
        write!(page, "<th scope=\"col\">{signal}</th>")?;
    }
    page.write_str("<th scope=\"col\">all</th></tr></thead>\n<tbody>\n")?;
    let columns = Signal::ALL.map(|signal| branch.items(signal).fields());
    for (row, (name, _)) in Items::default().fields().into_iter().enumerate() {
        let values = columns.map(|column| column.get(row).map_or(0, |(_, value)| *value));
        let all = values.iter().sum();
        let class = match (name, all) {
            (_, 0) => "none",
            ("dropped" | "failed", _) => "bad",
            ("rejected" | "cancelled", _) => "warn",
            _ => "",
        };
        let name = name.replace('_', " ");
        write!(page, "<tr class=\"{class}\"><th scope=\"row\">{name}</th>")?;
        for value in values.into_iter().chain([all]) {
            let class = if value == 0 { " class=\"none\"" } else { "" };
            write!(page, "<td{class}>{}</td>", Count(value))?;
        }
        page.write_str("</tr>\n")?;
    }
    page.write_str("</tbody></table></div>\n")
}

fn write_queue(page: &mut String, queue: &QueueState, now: &Now) -> fmt::Result {
    let age = queue.oldest.map(|since| now.age(since)).unwrap_or_default();
    writeln!(
        page,
        "<div class=\"queue\">\n<p>{}</p>\n<dl>",
        Text(queue.queue)
    )?;
    level(
        page,
        "Requests",
        Count(queue.held.requests),
        queue.max_requests.map(Count),
        (queue.held.requests, queue.max_requests),
    )?;
    level(
        page,
        "Bytes",
        Size(queue.held.bytes),
        queue.max_bytes.map(Size),
        (queue.held.bytes, queue.max_bytes),
    )?;
    writeln!(
        page,
        "<div><dt>Items</dt><dd>{}</dd></div>",
        Count(queue.held.items)
    )?;
    writeln!(page, "<div><dt>Oldest</dt><dd>{}</dd></div>", Span(age))?;
    page.write_str("</dl></div>\n")
}

/// How full a queue is, in figures and as a bar.
fn level(
    page: &mut String,
    name: &str,
    held: impl fmt::Display,
    most: Option<impl fmt::Display>,
    (value, bound): (u64, Option<u64>),
) -> fmt::Result {
    write!(page, "<div class=\"level\"><dt>{name}</dt><dd>{held}")?;
    if let (Some(most), Some(bound)) = (most, bound) {
        let share = value as f64 / bound.max(1) as f64 * 100.0;
        let class = match share {
            90.0.. => "bad",
            60.0.. => "warn",
            _ => "",
        };
        let width = share.clamp(0.0, 100.0);
        write!(
            page,
            " <span class=\"dim\">of {most}</span> <svg class=\"bar {class}\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{width:.0} % full\"><rect width=\"{width:.1}\" height=\"1\"/></svg>"
        )?;
    }
    page.write_str("</dd></div>\n")
}

fn write_errors(page: &mut String, branch: &BranchReport) -> fmt::Result {
    let errors = branch.errors();
    let drops = branch.snapshot.drops();
    if !errors.is_empty() {
        page.write_str(
            "<div class=\"scroll\"><table class=\"errors\">\n<caption>Errors by type</caption>\n<thead><tr><th scope=\"col\">Errors</th><th scope=\"col\">attempts</th><th scope=\"col\">requests</th><th scope=\"col\">items</th></tr></thead>\n<tbody>\n",
        )?;
        for error in errors {
            writeln!(
                page,
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
                Text(error.error_type),
                Count(error.attempts),
                Count(error.requests),
                Count(error.items),
            )?;
        }
        page.write_str("</tbody></table></div>\n")?;
    }
    if !drops.is_empty() {
        page.write_str(
            "<div class=\"scroll\"><table class=\"errors\">\n<caption>Drops by reason</caption>\n<thead><tr><th scope=\"col\">Dropped for</th><th scope=\"col\">requests</th><th scope=\"col\">items</th></tr></thead>\n<tbody>\n",
        )?;
        for (reason, amount) in drops {
            writeln!(
                page,
                "<tr class=\"bad\"><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
                Text(reason.as_str()),
                Count(amount.requests),
                Count(amount.items),
            )?;
        }
        page.write_str("</tbody></table></div>\n")?;
    }
    Ok(())
}

fn write_last_error(page: &mut String, error: &LastError, now: &Now) -> fmt::Result {
    write!(
        page,
        "<div class=\"last\"><p><b>Last error</b> <span class=\"dim\">{} ago, at {}</span></p>\n<p class=\"message\">{}</p></div>\n",
        Span(now.age(error.at())),
        Time(now.wall_of(error.at())),
        Text(&error.message()),
    )
}
