"""Errors of the service as a browser and as a program get them, from a real service."""

import httpx
from board.archives import archive_of
from hostile_texts import hostile_texts
from run_records import run_record

from harness.records.manifest import seal

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_browser_gets_a_page_and_a_program_json(client: httpx.Client) -> None:
    """Proves that the same error is a page for those who look and a document for those who compute."""
    for path in ("/records/0123456789abcdef.html", "/nothing", "/?page=x"):
        page, document = client.get(path, headers=BROWSER), client.get(path)
        assert page.status_code == document.status_code >= 400
        assert page.headers["content-type"].startswith("text/html")
        assert document.json()["error"] in page.text
        assert "To the scoreboard" in page.text
    assert client.get("/api/records/0123456789abcdef", headers=BROWSER).json()["error"], "the interface stays JSON"


def test_a_withdrawn_record_says_why_to_a_browser(client: httpx.Client) -> None:
    """Proves that a link to a record that was taken back leads to a page that says so, with status 410."""
    answer = client.post("/api/uploads", content=archive_of(seal(run_record().to_document())))
    key = answer.json()["records"][0]["id"]
    assert client.get(f"/records/{key}", headers=BROWSER, follow_redirects=True).url.path == f"/records/{key}.html"
    client.delete(f"/api/records/{key}", params={"why": "wrong clock"})
    gone = client.get(f"/records/{key}.html", headers=BROWSER)
    assert gone.status_code == 410
    assert "wrong clock" in gone.text
    assert 'href="../assets/board.css"' in gone.text


def test_no_address_becomes_mark_up(client: httpx.Client) -> None:
    """Proves that whatever stands in an address comes back escaped; a harmless word comes back as it is."""
    for text in [one for one in sorted(set(hostile_texts())) if "<" in one][:60]:
        page = client.get("/", params={"after": text[:200], "sort": text[:200], "page": text[:200]}, headers=BROWSER)
        assert text[:200] not in page.text
    assert "int_parsing" not in client.get("/", params={"page": "x"}, headers=BROWSER).text
    assert "page: " in client.get("/", params={"page": "x"}, headers=BROWSER).text


def test_the_export_says_when_it_was_made(client: httpx.Client) -> None:
    """Proves that a table that is taken away carries its time."""
    assert client.get("/scoreboard.json").json()["generated_utc"].startswith("20")
