"""Reports in a real browser at the widths that people have: nothing sticks out of its box, no label out of its drawing."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.records.reading import Reader
from controller.records.views import StoredPlan
from controller.reports.page import to_html
from controller.reports.period import day_span, month_span, week_span
from controller.reports.period_page import period_page
from controller.reports.plan_page import plan_page
from controller.reports.spans import gather_day, gather_days
from tests.browser import chromium, console_errors, set_view
from tests.controller.records.test_foresight import night
from tests.controller.reports.measured_day import DAY
from tests.controller.reports.test_period_page import SITE, ZONE

STICKING_OUT = """
const out = [];
for (const box of document.querySelectorAll('html, .box, .figure, .tile'))
  if (box.scrollWidth > box.clientWidth + 1) out.push(box.tagName + ' ' + box.textContent.trim().slice(0, 40));
for (const label of document.querySelectorAll('svg text')) {
  const drawing = label.ownerSVGElement.getBoundingClientRect(), place = label.getBoundingClientRect();
  if (place.width && (place.left < drawing.left - 1 || place.right > drawing.right + 1)) out.push(label.textContent);
}
return out;
"""
AXES = """
const shown = (each) => each.getBoundingClientRect().width && each.querySelector('.tick');
return [...document.querySelectorAll('svg.chart')].filter(shown).map(
  (each) => [each.querySelector('.tick.zone')?.textContent ?? '', each.querySelector('.tick.unit')?.textContent ?? '']);
"""


@pytest.mark.browser
def test_every_report_fits_on_phone_page_and_screen(measured: tuple[str, StoredPlan], tmp_path: Path) -> None:
    url, plan = measured
    with Reader(url, "container") as reader:
        reports = {
            "day": gather_day(reader, url, SITE, day_span(DAY, ZONE)).model_copy(update={"skill": night(0)}),
            "week": gather_days(reader, url, SITE, week_span(DAY, ZONE)),
            "month": gather_days(reader, url, SITE, month_span(DAY, ZONE)),
        }
    pages = {name: period_page(report, SITE) for name, report in reports.items()} | {"plan": plan_page(plan, SITE)}
    with chromium(tmp_path / "profile") as browser:
        for name, page in pages.items():
            file = tmp_path / f"{name}.html"
            file.write_text(to_html(page), encoding="utf-8")
            for width in (390, 800, 1400):
                set_view(browser, width=width, height=900, dark=False)
                browser.get(f"file://{file}")
                assert browser.execute_script(STICKING_OUT) == [], (name, width)
                axes = browser.execute_script(AXES)
                assert len(axes) >= 2
                assert {zone for zone, _ in axes} == {"EST"}
                assert {"kW", "% of usable capacity"} <= {unit for _, unit in axes}
            assert console_errors(browser) == []
