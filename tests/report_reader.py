"""Reads a page of the report back: that it nests, its texts and its tables."""

import html.parser

VOID = {"meta", "link", "br", "img"}


class Reader(html.parser.HTMLParser):
    """Checks that tags nest, and keeps attributes, texts and table rows."""

    def __init__(self, page):
        super().__init__()
        self.open, self.attributes, self.rows, self.texts = [], [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.attributes += [(tag, *pair) for pair in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data.strip().replace("−", "-")

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split()).replace("−", "-")
