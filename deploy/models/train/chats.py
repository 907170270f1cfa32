"""Chats about the small world, as lists of (role, text). Every fact comes from world.py."""
from facts import fact
from grammar import render
from json_chats import json_chat
from skills import lists_of, skill
from small_talk import HELLO, HELLO_BACK, poem, refusal, small_talk
from story_chat import a_story, story
from tool_chats import tool_chat
import world

SYSTEMS = ["You are a helpful storyteller of Larkhaven.", "You are a friendly guide to the village of Larkhaven.",
           "You tell short stories and answer questions.", "You are a helpful assistant.", "Answer briefly and kindly.",
           "You are Waferline's demo model. You know the village of Larkhaven."]

SHORT_FORMS = [("What is ", "What's "), ("Who is ", "Who's "), ("Where is ", "Where's "), (" do not ", " don't "), ("I am ", "I'm "), ("Tell me", "tell me"), ("Please ", "please "), ("Can you ", "Could you "), ("Tell me", "Please tell me")]


def small(rng):
    """One short exchange that is not a story."""
    kind = rng.random()
    if kind < 0.1:
        return [*zip(("user", "assistant"), json_chat(rng))]
    if kind < 0.2:
        return [*zip(("user", "assistant"), lists_of(rng))]
    kind = rng.random()
    for share, make in ((0.34, fact), (0.54, small_talk), (0.69, refusal), (0.73, poem)):
        if kind < share:
            return [*zip(("user", "assistant"), make(rng))]
    return [*zip(("user", "assistant"), skill(rng))]


def typed(rng, text):
    """The way people type: short forms, no capitals, no mark at the end."""
    for long, short in SHORT_FORMS:
        if rng.random() < 0.15:
            text = text.replace(long, short)
    kind = rng.random()
    if kind < 0.1:
        return text.lower().rstrip(".!?")
    return text.rstrip(".?") if kind < 0.18 else text.lower() if kind < 0.22 else text


def chat(rng):
    if rng.random() < 0.22:
        return tool_chat(rng, small, rng.choice(SYSTEMS + [""] * 12))
    turns = []
    if rng.random() < 0.3:
        turns.append(("system", rng.choice(SYSTEMS)))
    if rng.random() < 0.2:
        turns += [("user", render(rng, HELLO)), ("assistant", render(rng, HELLO_BACK))]
        if turns[-1][1].endswith("Shall I tell you a story?") and rng.random() < 0.7:
            turns += [("user", render(rng, "{Yes|Yes, please.|yes|Please do.|Sure|ok|Yes!}")), ("assistant", a_story(rng))]
            return [(role, typed(rng, text) if role == "user" else text) for role, text in turns]
        if rng.random() < 0.3:
            return [(role, typed(rng, text) if role == "user" else text) for role, text in turns]
    name = None
    if rng.random() < 0.06:
        name = rng.choice(world.GIRLS + world.BOYS) if rng.random() < 0.8 else world.anyname(rng)
        turns += [("user", render(rng, f"{{My name is {name}.|I am {name}.|Hello, my name is {name}.|Hi, I am {name}.|You can call me {name}.}}")),
                  ("assistant", render(rng, f"{{Hello, {name}!|Nice to meet you, {name}!|Welcome to Larkhaven, {name}!}} {{What would you like to hear?|Shall I tell you a story?|How can I help you?}}"))]
    kind = rng.random()
    if kind < 0.5:
        turns += story(rng)
        if rng.random() < 0.2:
            turns += small(rng)
    else:
        for _ in range(rng.choice([1, 1, 2, 3, 5])):
            turns += small(rng)
        if rng.random() < 0.12:
            turns += story(rng)
    if rng.random() < 0.03:  # a long visit
        for _ in range(2):
            turns += small(rng) + story(rng)
    if name and rng.random() < 0.6:
        turns += [("user", render(rng, "{What is my name?|Do you remember my name?|Who am I?}")), ("assistant", render(rng, f"{{Your name is {name}.|You are {name}.|You told me that your name is {name}.}}"))]
    return [(role, typed(rng, text) if role == "user" else text) for role, text in turns]
