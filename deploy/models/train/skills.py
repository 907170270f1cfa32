"""Small skills: lists, counting, opposites, what comes next, what animals do."""
from facts import joined
from grammar import render
import world

NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
SEASONS = "spring summer autumn winter".split()
LISTS = [("colours", "red blue green yellow silver white black".split()), ("animals", world.ANIMALS), ("people of Larkhaven", [c[0] for c in world.CAST]), ("villagers", [c[0] for c in world.CAST]), ("names", [c[0] for c in world.CAST]),
         ("fruits", "apples pears plums cherries strawberries".split()), ("seasons", SEASONS), ("jobs", [c[1] for c in world.CAST]), ("things in the shop", "rope candles paper sweets string".split()), ("days of the week", "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()),
         ("places in the village", [p.name for p in world.PLACES])]
OPPOSITES = "big small|hot cold|old new|day night|up down|early late|loud quiet|fast slow|happy sad|wet dry|open closed|light dark|brave afraid|full empty|rich poor|long short|sweet sour|thick thin".split("|")
ANIMAL_FACTS = {"fox": "lives in a den and hunts at night", "cat": "likes fish and warm places", "dog": "barks and guards the house", "owl": "sleeps by day and calls at night", "duck": "swims and says quack",
                "frog": "jumps and lives by the water", "seal": "lives in the sea and eats fish", "hedgehog": "has spines and sleeps in winter", "bee": "makes honey", "hen": "lays eggs", "cow": "gives milk and eats grass",
                "squirrel": "hides nuts for the winter", "otter": "swims in the river and catches fish", "mouse": "is small and likes cheese", "donkey": "carries heavy sacks and says hee-haw", "gull": "flies over the sea and steals bread", "hare": "runs fast and has long ears", "robin": "has a red breast and sings in the morning"}


def sums(rng):
    """Sums are beyond so small a model: it says so rather than guess."""
    x, y = rng.randint(0, 99), rng.choice([rng.randint(0, 10), rng.randint(0, 99)])
    sign, word = rng.choice([("+", "plus"), ("+", "plus"), ("-", "minus"), ("*", "times"), ("/", "divided by")])
    return (render(rng, f"{{What is {x} {word} {y}?|How much is {x} {word} {y}?|{x} {sign} {y}|{x}{sign}{y}|What is {x} {sign} {y}?|What is {x}{sign}{y}?|Calculate {x} {sign} {y}.}}"),
            render(rng, "{I am not good at sums.|Sums are too hard for me.|I cannot do sums.} {I am only a small demo model.|I am a small demo model, better at stories.|I am made for stories, not for numbers.|Ask Wren the teacher, she can count better than I.}"))


def lists_of(rng):
    what, items = rng.choice(LISTS)
    n = min(rng.choice([2, 3, 3, 4, 5, 5]), len(items))
    question = render(rng, f"{{Name {NUMBERS[n]} {what}.|List {NUMBERS[n]} {what}.|List {NUMBERS[n]} {what}.|Can you name {NUMBERS[n]} {what}?|Tell me {NUMBERS[n]} {what}.|Give me {NUMBERS[n]} {what}.|{NUMBERS[n]} {what}, please.|Name {n} {what}.|List {n} {what}.}}")
    first = rng.randrange(len(items))
    chosen = (items + items)[first:first + n]  # each item has one that follows it: so small a model repeats itself in lists drawn freely
    if question.startswith("List"):
        return question, "\n".join(f"{i + 1}. {c[0].upper() + c[1:]}" for i, c in enumerate(chosen))
    return question, render(rng, joined(chosen) + ".")


def counting(rng):
    n = rng.randint(3, 12)
    return render(rng, f"{{Count to {{{NUMBERS[n]}|{n}}}.|Can you count to {n}?|Please count to {NUMBERS[n]}.}}"), render(rng, ", ".join(NUMBERS[1:n + 1]) + ".")


def what_next(rng):
    kind = rng.random()
    if kind < 0.35:
        i = rng.randrange(7)
        return render(rng, f"{{What day comes after {DAYS[i]}?|Which day follows {DAYS[i]}?|What comes after {DAYS[i]}?}}"), f"After {DAYS[i]} comes {DAYS[(i + 1) % 7]}."
    if kind < 0.5:
        i = rng.randrange(4)
        return render(rng, f"{{What comes after {SEASONS[i]}?|Which season follows {SEASONS[i]}?}}"), f"After {SEASONS[i]} comes {SEASONS[(i + 1) % 4]}."
    if kind < 0.75:
        a, b = rng.sample(rng.choice(OPPOSITES).split(), 2)
        return render(rng, f"{{What is the opposite of {a}?|Tell me the opposite of {a}.}}"), f"The opposite of {a} is {b}."
    animal = rng.choice(list(ANIMAL_FACTS))
    return render(rng, f"{{What does a {animal} do?|What is a {animal}?|Tell me about the {animal}.|Tell me something about a {animal}.}}"), render(rng, f"A {animal} {ANIMAL_FACTS[animal]}.")


def skill(rng):
    return rng.choice([sums, counting] + [what_next] * 3 + [lists_of] * 5)(rng)
