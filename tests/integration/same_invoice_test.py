"""A trace gives the same invoice, byte for byte: offline and live, on either database, over runs, restarts and numbers of shards."""

import json
import urllib.error
import urllib.request

from cloud import Waferd, waferctl, waferctl_json
from ledger import PRICES, asked
from postgres import Sqlite, database  # noqa: F401 (a fixture)
from schedule_digest_test import BLOCK_TOKENS, FLEETS, SEED, Scene, make_trace


def test_a_trace_gives_the_same_invoice_offline_and_live_on_either_database(database, tmp_path):
    prices = tmp_path / "prices.yaml"
    prices.write_text(PRICES.replace("{name: m,", '{name: "*",'))
    scene = Scene(tmp_path, FLEETS["one wafer, shared prefixes"],
                  head=f'billing: {{store: "{database.url}", prices: ./prices.yaml, clock: emulated, '
                       'emulated_from: 2026-06-30T23:59:59Z}\n')
    scene.trace.write_text("".join(json.dumps({k: v for k, v in line.items() if k != "tenant"}) + "\n" for line in scene.lines))
    flags = ["--trace", scene.trace, "--block-tokens", BLOCK_TOKENS, "--seed", SEED]
    offline = waferctl_json("sim", "--config", scene.fleet, *flags, "--prices", prices, "--bill-from", "2026-06-30T23:59:59Z", "--json")
    expected = {invoice["invoice"]: json.dumps(invoice) for invoice in offline["billing"]["invoices"]}
    assert len(expected) >= 1 and any('"cached_input"' in one for one in expected.values())
    store = ("--store", database.url)
    with Waferd(scene.server) as server:
        refused = post_status(server.http)
        assert refused[0] == 400 and "needs its " in refused[1]
        waferctl_json("bench", "replay", *flags, "--server", server.http, "--json")
        live = {name: json.dumps(asked(None, ["invoice", "show", name], *store)["invoice"]) for name in expected}
    # The last month's draft has the records of the one before too, as long as that is open.
    first = min(expected)
    assert live[first] == expected[first]
    assert asked(None, ["ledger", "verify"], *store)["differences"] == []


def post_status(url):
    request = urllib.request.Request(url + "/v1/completions", json.dumps({"model": "demo", "prompt": "a", "max_tokens": 1}).encode(),
                                     {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def replayed(folder, fleet, shards, *parts):
    """The invoices, as text, of a server with so many shards that replays these traces one after the other, started again between them."""
    folder.mkdir()
    with Sqlite() as database:
        scene = Scene(folder, FLEETS[fleet], head=f'billing: {{store: "{database.url}", prices: ../prices.yaml, clock: emulated}}\n')
        scene.server.write_text(scene.server.read_text().replace("shards: 2", f"shards: {shards}"))
        for number, lines in enumerate(parts):
            trace = folder / f"{number}.jsonl"
            trace.write_text("".join(json.dumps(line) + "\n" for line in lines))
            with Waferd(scene.server) as server:
                waferctl_json("bench", "replay", "--trace", trace, "--block-tokens", BLOCK_TOKENS, "--seed", SEED, "--server", server.http, "--json")
        store = ("--store", database.url)
        assert asked(None, ["ledger", "verify"], *store)["differences"] == []
        names = [invoice["id"] for invoice in asked(None, ["invoice", "list"], *store)["invoices"]]
        return {name: waferctl("invoice", "show", name, "--json", *store).stdout for name in names}


def without(fields, lines):
    return [{key: value for key, value in line.items() if key not in fields} for line in lines]


def test_an_invoice_is_the_same_bytes_over_runs_and_with_any_number_of_shards(tmp_path):
    (tmp_path / "prices.yaml").write_text(PRICES.replace("{name: m,", '{name: "*",'))
    fleet, lines = "two wafers and a GPU, speculation, deadlines, caches on wafers", without({"tenant"}, make_trace(SEED))
    first = replayed(tmp_path / "first", fleet, 1, lines)
    assert len(first) == 1 and '"cached_input"' in next(iter(first.values()))
    for number, shards in enumerate((1, 2, 3)):
        assert replayed(tmp_path / str(number), fleet, shards, lines) == first, shards


def test_an_invoice_is_the_same_bytes_through_a_restart(tmp_path):
    (tmp_path / "prices.yaml").write_text(PRICES.replace("{name: m,", '{name: "*",'))
    # The second part comes when the first is over, and shares no prefix with it: no cache that counts is lost.
    early = without({"tenant", "deadline_ms"}, make_trace(SEED))
    late = [{**line, "arrival_s": line["arrival_s"] + 10, "blocks": [block + 10**6 for block in line["blocks"]]} for line in early]
    fleet = "one wafer, shared prefixes"
    assert replayed(tmp_path / "once", fleet, 2, early + late) == replayed(tmp_path / "restarted", fleet, 2, early, late)
