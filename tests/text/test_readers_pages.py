"""HTML, Markdown and reStructuredText become text that reads as prose, whatever the file holds."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builders.text.readers.html import html_text
from builders.text.readers.markdown import markdown_text
from builders.text.readers.restructured import restructured_text

PAGE = """<!DOCTYPE html><html><head><title>A &amp;
 B</title><style>x {}</style></head><body>
<nav>menu</nav><div role="navigation">more menu</div>
<h1>Head<a class="headerlink" href="#x">¶</a></h1>
<p>One <a href="y">link</a>,
   two<br>lines.<div>A block<!-- no --></div><ul><li>first<li>second</ul>
<pre>def f():
    return 1

f()</pre><table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>
<script>alert("<p>no</p>")</script><p hidden>no</p>&bogus; end"""


def test_html() -> None:
    title, text = html_text(PAGE)
    assert title == "A & B"
    assert text == (
        "Head\n\nOne link, two\nlines.\n\nA block\n\nfirst\nsecond\n\n"
        "def f():\n    return 1\n\nf()\n\n1 2\n3\n\n&bogus; end".replace("&bogus;", "&bogus")
    )


def test_html_main_part() -> None:
    page = "<h1>Site</h1><div>side</div><main><h1>Title</h1><p>Text.</main><div>foot</div>"
    assert html_text(page) == ("Site", "Title\n\nText.")
    assert html_text(page.replace("Title</h1><p>Text.", "</h1>"))[1] == "Site\n\nside\n\nfoot"


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 20_000 + "x",
        "<b>" * 5_000 + "x" + "</b>" * 5_000,
        "</x>" * 5_000 + "x",
        "<table><tr><td>" * 2_000 + "x",
        "<pre>" * 500 + "x",
        "<![CDATA[x]]><!DOCTYPE <?pi x",
        "\x00\x01\x02\x03x<" + "&#0;" * 10,
        "<p a='" * 200 + "x",
        "",
    ],
)
def test_html_hostile(page: str) -> None:
    _, text = html_text(page)
    assert ("x" in text) == ("x" in page)
    assert not set("\x01\x02\x03\x04") & set(text)


MARKDOWN = """---
layout: page
---
# The *Title* #

[![badge](http://x/y.svg)](http://x) Some **bold**, _emphasis_, `a*b*c` and `**kwargs`, snake_case_name, 2 * 3 * 4.
See [the guide](http://x/a_(b)), [that][ref] or <https://example.org>. <!-- not
this -->

Second
------

> A quote
> of two lines.

- item with ***both***
* other

```python
# kept *as* it [is](x)
x = `1`
```

| a | b |
|---|:-:|
| 1 | 2 |

***
Not \\*starred\\*.<br/>

[ref]: http://x/ref
"""


def test_markdown() -> None:
    title, text = markdown_text(MARKDOWN)
    assert title == "The Title"
    assert text == (
        "badge Some bold, emphasis, a*b*c and **kwargs, snake_case_name, 2 * 3 * 4.\n"
        "See the guide, that or https://example.org. \n\nSecond\n\nA quote\nof two lines.\n\n"
        "- item with both\n* other\n\n```python\n# kept *as* it [is](x)\nx = `1`\n```\n\n"
        "| a | b |\n| 1 | 2 |\n\nNot *starred*."
    )


def test_markdown_title() -> None:
    assert markdown_text('---\ntitle: "Front"\n---\n# Head\n\nText.') == ("Front", "Head\n\nText.")
    assert markdown_text("+++\ntitle = 'Front'\n+++\nText.") == ("Front", "Text.")
    assert markdown_text("Text.\n\n## Later\n\nMore.") == ("Later", "Text.\n\nLater\n\nMore.")
    assert markdown_text("# Only a heading") == ("Only a heading", "Only a heading")
    assert markdown_text("---\n\nNo front matter.") == ("", "No front matter.")
    assert markdown_text("```\n# no heading\n") == ("", "```\n# no heading")


RESTRUCTURED = """:orphan:

.. _target:

=========
The Title
=========

Some **bold** with :func:`~json.dumps`, ``a*b*c``, `the guide <http://x>`_ and :ref:`that <ref>`. Example::

    x = 1
    y = x * 2 * 3

.. note:: Take care
   of this.

.. image:: x.png
   :alt: no

   nor this

.. code-block:: python
   :linenos:

   z = 3

.. a comment
   of two lines

Section
-------
====  ====
a     b
====  ====
"""


def test_restructured() -> None:
    title, text = restructured_text(RESTRUCTURED)
    assert title == "The Title"
    assert text == (
        "Some bold with json.dumps, a*b*c, the guide and that. Example:\n\n    x = 1\n    y = x * 2 * 3\n\n"
        "Take care\n   of this.\n\n   z = 3\n\nSection\na     b"
    )


@pytest.mark.parametrize("read", [markdown_text, restructured_text])
def test_hostile_marks_take_linear_time(read) -> None:  # type: ignore[no-untyped-def]
    pieces = [
        "**a ",
        "*",
        "[",
        "[a](",
        "`a ``b ",
        "_a ",
        "> ",
        "<!--",
        "<a ",
        "|-",
        ":a:`",
        " ",
        "\n ",
        "a",
        "# ",
        "`a <",
    ]
    started = time.perf_counter()
    for piece in pieces:
        read(piece * 20_000)
    # A guard against quadratic patterns, which take minutes: not a benchmark.
    assert time.perf_counter() - started < 20


@given(st.text(st.sampled_from("ab *_`#[]()<>|-=~:.\n\\!&;'\"/"), max_size=200))
@example("<![: one")
def test_any_text_is_read(page: str) -> None:
    for read in (html_text, markdown_text, restructured_text):
        title, text = read(page)
        assert "\x00" not in title + text
