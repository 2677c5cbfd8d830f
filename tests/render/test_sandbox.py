"""A folder of templates from a stranger lays a page out, and does nothing else."""

from __future__ import annotations

import pytest
import samples
from jinja2.exceptions import SecurityError, TemplateError

from reportgen.render import html, pdf

ATTACKS = {
    "saves the report": "{{ report.save('CANARY') }}",
    "saves it by way of a filter": "{{ (report | attr('save'))('CANARY') }}",
    "saves each of a list": "{{ [report] | map(attribute='save') | map('string') | list }}{{ x() }}",
    "copies the model": "{{ report.model_copy() }}",
    "dumps the model": "{{ report.model_dump_json() }}",
    "reads a method of a section": "{{ report.section('architecture') }}",
    "calls a constructor": "{{ page.__class__.__init__.__globals__ }}",
    "calls a class that it finds": "{% for s in report.sections %}{{ s.validate({}) }}{% endfor %}",
    "formats with an attribute": "{{ '{0.save}'.format(report) }}",
    "formats with a map": "{{ '{a.__class__}'.format_map({'a': report}) }}",
    "makes a text of a gigabyte": "{{ 'a' * 1000000000 }}",
    "makes it by formatting": "{{ '%1000000000d' % 1 }}",
    "makes it by centring": "{{ 'a' | center(1000000000) }}",
    "makes a number without end": "{{ 9 ** 9 ** 9 }}",
    "makes a range without end": "{% for i in range(1000000000) %}{% endfor %}",
    "reads a file beside it": "{% include '../secret.txt' %}",
    "reads a file by its whole path": "{% include '/etc/passwd' %}",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
@pytest.mark.parametrize("page", ["head.html.j2", "foot.html.j2"])
def test_a_template_reaches_no_method_that_acts(tmp_path, monkeypatch, attack, page):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.txt").write_text("the secret")
    own = tmp_path / "own"
    own.mkdir()
    (own / page).write_text(attack)
    with pytest.raises((SecurityError, TemplateError, OverflowError)):
        html.encode(samples.empty(), own)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own", "secret.txt"]


def test_a_link_out_of_the_folder_is_no_template(tmp_path):
    (tmp_path / "secret.txt").write_text("the secret")
    own = tmp_path / "own"
    own.mkdir()
    (own / "notes.txt").symlink_to(tmp_path / "secret.txt")
    (own / "foot.html.j2").write_text("{% include 'notes.txt' %}")
    with pytest.raises(TemplateError, match=r"notes\.txt"):
        html.encode(samples.empty(), own)


def test_the_same_holds_for_paper(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "report.print.html.j2").write_text("{{ report.save('report.json') }}")
    with pytest.raises(SecurityError):
        pdf.encode(samples.empty(), tmp_path / "own")
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_a_template_reads_every_field_and_the_harmless_methods(tmp_path):
    (tmp_path / "foot.html.j2").write_text(
        "<p>{{ report.title.upper() }} {{ report.sections[0].name }} {{ {'a': 1}.items() | list | length }} "
        "{{ loop is undefined }} {{ '%05.2f' % 3.14159 }} {{ 2 * 3 }} {{ plural(2, 'row') }}</p>"
    )
    page = html.encode(samples.report(), tmp_path).decode()
    assert (
        f"{samples.report().title.upper()} {samples.report().sections[0].name} 1 True 03.14 6 2 rows" in page
    )
