"""The small world: the village of Larkhaven, who lives there, what lies where, and what the weather does.

Everything here is fixed, so an answer about the world can be checked against this file.
"""
import dataclasses

VILLAGE = "Larkhaven"


@dataclasses.dataclass
class Character:
    name: str          # "Nell", or "" for an animal that is only "the fox"
    kind: str          # "girl", "fox", "smith"
    she: bool
    trait: str = ""
    known: bool = False  # the reader has met this character

    def called(self, rng):
        """The name, or at first sight enough to know who it is."""
        first, self.known = not self.known, True
        if self.kind in JOB_PLACE:
            return f"{self.name} the {self.kind}" if first else self.name
        if not self.name:
            return ("a " if first else "the ") + self.kind
        if not first:
            return self.name
        return rng.choice(["", "", "little ", "young "]) + self.name if self.kind in ("girl", "boy") else f"{self.name} the {self.kind}"

    def form(self, name, rng):
        subject, obj, own = ("she", "her", "her") if self.she else ("he", "him", "his")
        if name in ("", "own", "the"):
            first = not self.known
            called = self.called(rng)
            if name == "the" and not first:
                called = "the " + self.kind
            return called + "'s" if name == "own" else called
        simple = {"he": subject, "him": obj, "his": own, "self": obj + "self", "kind": self.kind, "trait": self.trait,
                  "call": self.name or "dear " + self.kind}
        if name in simple:
            return simple[name]
        trait = self.trait + " " if self.trait else ""
        if name == "intro":  # first mention
            self.known = True
            if self.kind in JOB_PLACE:
                return f"{self.name} the {self.kind}"
            if not self.name:
                return f"a {trait}{self.kind}"
            return rng.choice([f"a {trait}{self.kind} called {self.name}", f"a {trait}{self.kind} named {self.name}",
                               f"a {self.kind} whose name was {self.name}"])
        raise KeyError(name)


@dataclasses.dataclass
class Thing:
    noun: str
    adjective: str

    def form(self, name, rng):
        full = f"{self.adjective} {self.noun}"
        return {"": "the " + self.noun, "a": "a " + full, "the": "the " + full, "n": self.noun, "full": full,
                "an": "a " + self.noun, "adj": self.adjective}[name]


@dataclasses.dataclass
class Place:
    name: str     # "the harbour"
    at: str       # "at the harbour"
    detail: str   # a clause that is true of it

    def form(self, name, rng):
        return {"": self.name, "at": self.at, "detail": self.detail}[name]


@dataclasses.dataclass
class Weather:
    name: str
    opening: str    # a sentence
    during: str     # a sentence that reminds of it later
    took: str       # what it did to something small, past tense, "[o]" is the thing
    trouble: str    # why the way was hard
    season: str     # when it happens, as alternatives
    morning: str    # what such a morning is like


PLACES = [Place(*p) for p in [
    ("the harbour", "at the harbour", "the gulls were calling over the water"),
    ("the beach", "on the beach", "small waves rolled over the sand"),
    ("the old mill", "at the old mill", "the great wheel turned slowly"),
    ("the forge", "in the forge", "the fire glowed red and the hammer rang"),
    ("the bakery", "in the bakery", "the air smelled of warm bread"),
    ("the lighthouse", "at the lighthouse", "the steep stairs went round and round"),
    ("the market square", "in the market square", "people were talking and laughing"),
    ("the stone bridge", "on the stone bridge", "the river ran fast below"),
    ("Whisper Wood", "in Whisper Wood", "the leaves whispered in the tall trees"),
    ("the orchard", "in the orchard", "the branches were heavy with apples"),
    ("the school", "at the school", "the children were singing"),
    ("the river", "by the river", "the water sparkled between the reeds"),
    ("the well", "by the well", "a bucket hung on a long rope"),
    ("the boatyard", "in the boatyard", "it smelled of tar and fresh wood"),
    ("the hill", "on the hill", "one could see the whole village and the sea"),
    ("the old oak", "under the old oak", "acorns lay in the grass"),
    ("the barn", "in the barn", "it was dark and smelled of hay"),
    ("the shop", "in the shop", "the shelves were full to the ceiling"),
    ("the clock workshop", "in the clock workshop", "a hundred clocks were ticking"),
    ("the meadow", "in the meadow", "bees hummed in the clover"),
]]

# name, job, she, where (a PLACES name), what they do, what they own or made
CAST = [
    ("Ines", "baker", True, "the bakery", "bakes bread and thin, crisp wafers"),
    ("Otto", "smith", False, "the forge", "makes nails, hooks and horseshoes"),
    ("Ada", "lighthouse keeper", True, "the lighthouse", "lights the lamp every evening"),
    ("Bram", "miller", False, "the old mill", "grinds wheat into flour"),
    ("Mora", "captain", True, "the harbour", "sails the Heron and catches fish"),
    ("Tobin", "ferryman", False, "the river", "rows people over the river in the Thistle"),
    ("Wren", "teacher", True, "the school", "teaches the children to read and to count"),
    ("Jonas", "clockmaker", False, "the clock workshop", "mends clocks and music boxes"),
    ("Rosa", "gardener", True, "the orchard", "grows apples, pears and beans"),
    ("Hugo", "shopkeeper", False, "the shop", "sells rope, candles, paper and sweets"),
    ("Finn", "boatbuilder", False, "the boatyard", "builds and mends boats"),
    ("Tilda", "weaver", True, "the market square", "weaves blankets and sails"),
]
JOB_PLACE = {job: place for _, job, _, place, _ in CAST}

GIRLS = "Nell Lena Ida Ruby Clara Maya Nora Anna Lucy Eva Lily Mia Greta Alice Emma Sofia Rose Mary Sara Lisa Ella Jane".split()
BOYS = "Milo Sam Theo Max Leo Emil Jack Ben Tom Oscar Noah Felix Karl Peter Paul Luke Henry Tim David John Bob Rex".split()
ANIMALS = ("fox cat dog mouse hare hedgehog duck goose otter seal donkey goat robin squirrel frog crow owl bear wolf hen rabbit horse pig sheep badger turtle").split()
PET_NAMES = "Russet Soot Biscuit Pepper Hazel Moss Button Clover Pebble Nutmeg Rusty Bella Ginger Snowy".split()
TRAITS = ("shy brave curious kind stubborn patient clever lonely cheerful careful impatient proud quiet generous "
          "sleepy forgetful gentle hungry small young").split()

SMALL = "key lantern kite whistle scarf basket hat ball book bell button boot map drum flute umbrella cup ring shell coin feather box boat candle mirror ribbon spoon doll flower apple".split()
ADJECTIVES = "red blue green yellow silver golden old little wooden striped shiny round tiny new beautiful".split()
MADE = {  # what can be made: its parts, and where each is found
    "kite": [("paper", "Hugo"), ("string", "Hugo"), ("two thin sticks", "")],
    "raft": [("four logs", ""), ("rope", "Hugo"), ("a sail", "Tilda")],
    "boat": [("planks", "Finn"), ("nails", "Otto"), ("a sail", "Tilda")],
    "lantern": [("a candle", "Hugo"), ("glass", "Ada"), ("a hook", "Otto")],
    "cake": [("flour", "Bram"), ("apples", "Rosa"), ("honey", "Ines")],
    "drum": [("a round tin", "Hugo"), ("a piece of leather", "Otto"), ("string", "Tilda")],
    "scarecrow": [("straw", "Bram"), ("an old coat", "Tilda"), ("a long pole", "Finn")],
    "birdhouse": [("small boards", "Finn"), ("nails", "Otto"), ("green paint", "Hugo")],
    "soup": [("beans", "Rosa"), ("fish", "Mora"), ("salt", "Hugo")],
    "blanket": [("wool", "Tilda"), ("a needle", "Hugo"), ("blue thread", "Tilda")],
    "cart": [("boards", "Finn"), ("two wheels", "Bram"), ("iron bolts", "Otto")],
    "music box": [("a small spring", "Jonas"), ("a wooden box", "Finn"), ("tiny screws", "Otto")],
}

WEATHERS = [Weather(*w) for w in [
    ("wind", "{The wind blew hard from the sea|It was a windy day|A strong wind shook the trees}.",
     "{The wind was still howling|The wind pulled at every door}.", "a gust of wind {carried [o] away|blew [o] away}",
     "the wind pushed against [a him]", "spring|autumn", "windy|cold"),
    ("rain", "{It had been raining since dawn|Rain drummed on the roofs|Grey clouds hung low, and soon it began to rain}.",
     "{The rain kept falling|Water ran down every street}.", "the rain washed [o] {down the street|into a ditch}",
     "the path was deep in mud", "spring|summer|autumn", "rainy|grey"),
    ("fog", "{Thick fog lay over the village|The fog was so thick that nobody could see the sea|White fog crept in from the sea}.",
     "{The fog was slow to lift|Everything was still white and silent}.", "[o] slipped away in the fog",
     "[a he] could hardly see the road", "autumn|spring", "foggy|quiet|grey"),
    ("snow", "{Snow had fallen in the night|The first snow of the winter covered the roofs|It was cold, and snow lay on the ground}.",
     "{Snow crunched under every step|More snow was falling}.", "fresh snow covered [o]",
     "the snow was deep", "winter", "cold|quiet"),
    ("sun", "{The sun shone on the roofs|It was a warm and sunny day|The sky was blue and clear}.",
     "{The sun was warm|There was not a cloud in the sky}.", "[o] slid {out of a bag|out of a pocket} without a sound",
     "the day was hot and the road was long", "summer|spring", "bright|sunny|fine"),
    ("storm", "{Dark clouds were gathering over the sea|A storm was coming|Thunder rolled far away}.",
     "{Lightning flashed over the sea|The storm came nearer}.", "the storm tore [o] away",
     "the storm bent the trees over the road", "autumn|summer", "dark|grey"),
]]


SKIES = "sunny foggy rainy windy cloudy stormy snowy cold warm clear".split()  # in a word
GREEN = ("Whisper Wood", "the orchard", "the old oak", "the meadow", "the river")  # their details are not true in snow


def place(name):
    return next(p for p in PLACES if p.name == name)


def resident(name):
    n, job, she, where, does = next(c for c in CAST if c[0] == name)
    return Character(n, job, she)


def anyname(rng):
    """A name that nobody in the lists has: the model must learn to copy names."""
    return "".join(rng.choice("b d f g k l m n p r s t v w z br st tr gr".split()) + rng.choice("a e i o u".split()) for _ in range(rng.choice([2, 2, 3]))).capitalize() + rng.choice(["", "", "n", "l", "s"])
