"""Requests for JSON, answered with one object and nothing else."""
import json

from grammar import render
from facts import DEEDS, joined
import skills
import world

FIELDS = {"name": 0, "trade": 1, "job": 1, "place": 3, "work": 4}  # columns of world.CAST
HOW = "{Answer as JSON|Answer in JSON|Reply with JSON|Give me JSON|As JSON|Answer with a JSON object}"


def row(rng):
    """A villager, some fields, and the object of them."""
    who = rng.choice(world.CAST)
    fields = rng.choice([["name", "trade"]] * 3 + [["name", "job"], ["name", "place"], ["name", "trade", "place"], ["name", "work"], ["name"], ["name", "job", "place"]])
    return who, fields, json.dumps({field: who[FIELDS[field]] for field in fields})


def json_chat(rng):
    """A question and its answer."""
    kind = rng.random()
    if kind < 0.25:
        what, items = rng.choice(skills.LISTS)
        n, first, key = rng.choice([2, 3, 4, 5]), rng.randrange(len(items)), what.split()[0]
        chosen = (items + items)[first:first + min(n, len(items))]
        return render(rng, f"{{Name|List|Give me}} {skills.NUMBERS[len(chosen)]} {what}{{ as JSON.| in JSON.| as a JSON object.|. {HOW}.}}"), json.dumps({key: chosen})
    if kind < 0.35:
        who, _, _ = row(rng)
        return render(rng, "{Give me JSON|give me JSON|Give me some JSON.|Answer as JSON.|Reply in JSON.|Write JSON.|JSON, please.|Write a JSON object.}"), json.dumps({"name": who[0], "trade": who[1]})
    who, fields, answer = row(rng)
    name, trade, _, where, _ = who
    at = world.place(where).at
    ask = rng.choice([f"Who is the {trade}?", f"Who is {name}?", f"Tell me about {name}.", f"Who works {at}?", "Who {" + DEEDS[name] + "}?", f"Describe {name}."])
    if fields == ["name", "trade"] and rng.random() < 0.3:
        return render(rng, f"{{Tell me about {name} as JSON.|Describe {name} as JSON.|Who is {name}? {HOW}.|Give me JSON about {name}.|Who is the {trade}? {HOW}.}}"), answer
    wanted = joined(fields) if len(fields) > 1 else fields[0]
    if rng.random() < 0.2:
        return render(rng, f"{HOW} {{with|with the fields|with the keys}} {wanted}: {ask}"), answer
    return render(rng, f"{ask} {HOW} {{with|with the fields|with the keys}} {wanted}."), answer
