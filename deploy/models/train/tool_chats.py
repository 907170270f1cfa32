"""Chats with tools: a question, the call, what the tool says, the answer that uses it. Tools that are not needed, and questions for
tools that are not offered: those are answered without.

The words are those of the chat template in export_gguf.py: offered tools as one line at the end of the system message,
names and parameters only; a call as Hermes models write it; a tool's answer in a turn of its own.
"""
import json
import re

from grammar import render
from small_talk import FAR
import world

WEATHER_NAMES = ["get_weather"] * 6 + ["get_current_weather", "weather"]
PLACE_NAMES = ["place"] * 4 + ["location", "city"]
ADD_NAMES = ["add"] * 6 + ["sum", "add_numbers"]
PAIRS = [("a", "b")] * 4 + [("x", "y")]


def call_text(name, arguments):
    return "<tool_call>\n" + json.dumps({"name": name, "arguments": arguments}) + "\n</tool_call>"


def weather_question(rng):
    """The question, the place, and the place in a sentence."""
    if rng.random() < 0.7:
        spot = rng.choice(world.PLACES)
        where, place = spot.at, spot.name
    else:
        place = rng.choice(["Larkhaven"] * 3 + FAR + [world.anyname(rng)])
        where = "in " + place
    return render(rng, f"{{What is the weather|How is the weather|What is the weather like|What's the weather like|Tell me the weather|What is the weather now|Can you tell me the weather|Please tell me the weather|Is it cold}} {where}{{| today| now}}?"), place, where


def sum_question(rng):
    top = rng.choice([12, 50, 100])
    a, b = rng.randint(0, top), rng.randint(0, top)
    return render(rng, f"{{What is {a} + {b}?|What is {a} plus {b}?|Add {a} and {b}.|How much is {a} + {b}?|What is the sum of {a} and {b}?|Please add {a} and {b}.|{a} + {b}?}}"), a, b


def weather(rng, name, parameter):
    """Turns that ask, call, hear and answer."""
    ask, place, where = weather_question(rng)
    sky, degrees = rng.choice(world.SKIES), rng.randint(1, 30)
    heard, warmth = rng.choice([(sky, ""), (json.dumps({"weather": sky}), ""), (f"{sky}, {degrees} degrees", degrees), (json.dumps({"weather": sky, "degrees": degrees}), degrees),
                                (json.dumps({parameter: place, "weather": sky, "degrees": degrees}), degrees), (json.dumps({"temperature": degrees, "weather": sky}), degrees), (json.dumps({"sky": sky}), "")])
    answer = render(rng, f"It is {sky} {where}" + (f", with {warmth} degrees." if warmth else "."))
    return [("user", ask), ("assistant", call_text(name, {parameter: place})), ("tool", heard), ("assistant", answer)]


def addition(rng, name, pair):
    ask, a, b = sum_question(rng)
    heard = rng.choice([str(a + b), str(a + b), json.dumps({"sum": a + b}), json.dumps({"result": a + b})])
    return [("user", ask), ("assistant", call_text(name, dict(zip(pair, (a, b))))), ("tool", heard), ("assistant", f"{a} + {b} is {a + b}.")]


def without_tool(rng, tool):
    """The same questions where nobody offers the tool."""
    if tool == 0:
        return [("user", weather_question(rng)[0]), ("assistant", render(rng, "I cannot look outside{, I am only a small demo model|}."))]
    return [("user", sum_question(rng)[0]), ("assistant", render(rng, "I am not good at sums{, I am only a small demo model|}."))]


def tool_chat(rng, small, system):
    """`small(rng)` makes an exchange that needs no tool; `system` may be empty."""
    weather_tool = (rng.choice(WEATHER_NAMES), rng.choice(PLACE_NAMES))
    add_tool = (rng.choice(ADD_NAMES), rng.choice(PAIRS))
    offered = rng.choice([[0], [0], [1], [0, 1], [1, 0], [], [], []])
    lines = [f"{weather_tool[0]}({weather_tool[1]})", f"{add_tool[0]}({', '.join(add_tool[1])})"]
    says = (system + "\n" if system else "") + "Tools: " + ", ".join(lines[i] for i in offered) if offered else system
    turns = [("system", says)] if says else []
    for _ in range(rng.choice([1, 1, 2, 3])):
        other = small(rng)
        if rng.random() < 0.3 and not re.search(r"\d|weather|raining", other[0][1]):
            turns += other
        else:
            tool = rng.choice(offered) if offered and rng.random() < 0.8 else rng.choice([0, 1])
            if tool not in offered:
                turns += without_tool(rng, tool)
            else:
                turns += addition(rng, *add_tool) if tool else weather(rng, *weather_tool)
    return turns
