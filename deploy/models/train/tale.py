"""A tale under way: its cast, its weather and its text so far, and the kinds of sentence that every plot uses."""
import re

from grammar import Word, render
import world


class Tale:
    """Plots call say() and speak(); after that `text` holds the story and `facts` what can be asked about it."""

    def __init__(self, rng, wish=None):
        wish = wish or {}
        self.rng, self.parts, self.facts, self.others = rng, [""], {}, {}
        self.sky_told = self.dated = False
        self.short = wish.get("short", False)
        self.weather = rng.choice(world.WEATHERS)
        self.hero = wish.get("hero") or self.anybody()
        self.friend = self.anybody(unlike=self.hero)
        taken = (self.hero.name, self.friend.name)
        self.helper = world.resident(rng.choice([c[0] for c in world.CAST if c[0] not in taken]))
        self.thing = wish.get("thing") or world.Thing(rng.choice(world.SMALL), rng.choice(world.ADJECTIVES))
        self.places = rng.sample(world.PLACES, 4)
        self.helper_place = world.place(world.JOB_PLACE[self.helper.kind])

    def anybody(self, unlike=None):
        rng = self.rng
        while True:
            she, trait = rng.random() < 0.5, rng.choice(world.TRAITS)
            roll, new = rng.random(), world.anyname(rng) if rng.random() < 0.07 else None
            given = new or rng.choice(world.GIRLS if she else world.BOYS)
            if roll < 0.5:
                who = world.Character(given, "girl" if she else "boy", she, trait)
            elif roll < 0.85:
                named = rng.random() < 0.6
                who = world.Character((new or rng.choice(world.PET_NAMES)) if named else "", rng.choice(world.ANIMALS), she, trait)
            else:
                who = world.resident(rng.choice(world.CAST)[0])
            if not unlike or (who.name or who.kind) != (unlike.name or unlike.kind):
                return who

    def recast(self, *roles):
        """Gives these roles ("hero", "friend") to somebody else where a villager with a trade holds them."""
        for role in roles:
            other = self.friend if role == "hero" else self.hero
            while getattr(self, role).kind in world.JOB_PLACE:
                setattr(self, role, self.anybody(unlike=other))

    def neighbour(self, name):
        """The villager of that name: the same person each time, also where hero, friend or helper."""
        for who in (self.hero, self.friend, self.helper):
            if who.name == name:
                return who
        return self.others.setdefault(name, world.resident(name))

    def slots(self, extra):
        own = dict(a=self.hero, b=self.friend, c=self.helper, o=self.thing, p=self.places[0], q=self.places[1],
                   r=self.places[2], s=self.places[3], h=self.helper_place, village=Word(world.VILLAGE))
        own.update({k: Word(v) if isinstance(v, str) else v for k, v in extra.items()})
        return own

    def line(self, template, **extra):
        if self.dated:  # the tale already has its day
            template = re.sub(r"\bOne (day|morning|afternoon|night)\b", r"That \1", template)
        return render(self.rng, template, **self.slots(extra))

    def say(self, template, chance=1.0, **extra):
        if self.rng.random() < chance:
            self.parts[-1] = (self.parts[-1] + " " + self.line(template, **extra)).strip()

    def paragraph(self, chance=0.7):
        """A break; now and then a sound or a sight of the village comes before it."""
        self.say("{A gull cried overhead.|Somewhere a dog barked.|The clock struck CLOCK.|From the forge came the sound of a hammer.|A cart rolled by.|Smoke rose from the chimneys.|The sea murmured.|Two old women stood at a corner and talked.|It smelled of {bread|fish|apples|hay|smoke}.|Far away the bell of a ship rang.|A door banged.|Children ran past, laughing.|A cat slept on a wall.}".replace("CLOCK", "{two|three|four|five|ten|eleven}"), 0.12)
        if self.parts[-1] and self.rng.random() < chance:
            self.parts.append("")

    def speak(self, who, words, how="said", beat="", **extra):
        """One speech of `who`; the verb fits the mark that ends it; `beat` is an action that may stand in for the verb."""
        words = self.line(words, **extra)
        mark, inner = words[-1], words[:-1] + "," if words[-1] == "." else words
        if mark == "?":
            verb, manner = "asked", "{softly|at once|with a smile|kindly|in surprise}"
        elif mark == "!":
            verb, manner = "{cried|called|shouted}", "{at once|again|as loud as [w he] could}"
        else:
            how = "|".join(v for v in how.strip("{}").split("|") if v in ("said", "answered", "replied", "whispered", "laughed")) or "said"
            verb, manner = "{%s}" % how, "{softly|at once|with a smile|after a while|in a low voice|kindly|slowly}"
        shapes = [f'"{inner}" {verb} [w].', f'"{inner}" [w] {verb}.', f'[w] {verb}, "{words}"', f'"{inner}" [w] {verb} {manner}.']
        if beat:
            shapes += [f'[w] {beat} and {verb}, "{words}"', f'[w] {beat}. "{words}" [w he] {verb}.'.replace(words, inner)] * 2
        self.say(self.rng.choice(shapes), **{**extra, "w": who})

    @property
    def text(self):
        return "\n\n".join(p for p in self.parts if p)

    def open(self, dated=True):
        """Introduces the hero and the weather, in one of many orders; `dated`: the tale may begin on its very day."""
        when = "{Once upon a time|Once upon a time|Once upon a time|Long ago|Not so long ago}"
        day = f"{{One {{{self.weather.morning}}} morning|One {{{self.weather.season}}} day|Early one morning|On market day|One day|One day}}"
        home = "{in the village of [village]|near the harbour of [village]|in a little house by the river|at the edge of Whisper Wood|not far from the lighthouse|behind the old mill|at the end of Mill Lane}"
        if dated and self.rng.random() < 0.25:
            self.say(f"{day}, [a intro] {{was walking home|was on the way home|woke up early|was sitting [p at]|went for a walk|looked out of the window|was PLAYING [p at]|went to [p]}}.".replace("PLAYING", "at work" if self.hero.kind in world.JOB_PLACE else "playing")
                     + ("{| [a he] lived %s.}" % home if self.hero.kind not in world.JOB_PLACE else ""))
            self.dated = True
        elif self.hero.kind in world.JOB_PLACE:
            self.say(f"{when}, [a] {{{{had much to do|was at work [p at]|got up before the sun}}}}.|[a] lived in the village of [village].|Everybody in [village] knew [a].|This is the story of [a].".replace("{{", "{").replace("}}", "}").join(["{", "}"]))
        else:
            trait = f" {self.hero.trait}" if self.hero.trait else ""
            opening = self.rng.choice([
                f"{when}, there {{was|lived}} [a intro] {home}.", f"{{Once|Long ago|Not so long ago}}, [a intro] lived {home}.",
                f"[a intro] lived {home}.", f"SKY {{In a small house|In a kitchen|By the window|On a bench}} {home} sat [a intro].",
                f"{when}, [a intro] lived {home}.",
                f"This is the story of [a intro] who lived {home}.", f"Do you know [a]? [a he] was a{trait} [a kind] and lived {home}." if self.hero.name else f"There was [a intro] {home}.", f"There was once [a intro] who lived {home}.",
                f"{{In the village of [village]|Near the harbour of [village]|At the edge of Whisper Wood}} {{there lived|lived}} [a intro].",
                f"{home}, there lived [a intro]."])
            if opening.startswith("SKY"):
                self.sky(1.0)
            self.say(opening.removeprefix("SKY "))
            self.say("{[a he] was so TR that {everybody in the village knew it|people often talked about it|even the gulls had noticed}.|Everybody said that [a he] was TR.|Most of the time [a he] was TR.|}".replace("TR", trait.strip() or "kind"), 0.25 if self.hero.trait not in ("small", "young", "hungry", "lonely", "sleepy") else 0)
        self.facts.update(hero=self.hero, weather=self.weather.name)

    def sky(self, chance=0.7):
        if not self.sky_told:
            self.say(self.weather.opening, chance)
            self.sky_told = True

    def still(self, chance):
        """Reminds of the weather, or tells it where it was not yet told."""
        if self.sky_told:
            self.say(self.weather.during, chance)
        else:
            self.sky(chance)

    def mood(self, who, feeling, chance=0.6):
        shapes = {
            "sad": "{[w] felt sad|[w] was very sad|tears came to [w own] eyes|[w] sat down and sighed|[w own] heart was heavy|[w] did not know what to do}.",
            "glad": "{[w] was very happy|[w] laughed for joy|[w] had never been so happy|[w] jumped for joy|a warm feeling filled [w own] heart|[w] could not stop smiling}.",
            "afraid": "{[w] was afraid|[w own] heart beat fast|[w] trembled a little|[w] wanted to run away, but [w he] did not|[w own] knees shook}.",
            "proud": "{[w] was proud|[w] stood very straight|[w] felt a little taller than before|nobody was prouder than [w]}.",
            "tired": "{[w] was tired, but [w he] did not give up|[w own] legs were heavy|[w] had to rest for a while}.",
            "angry": "{[w] was angry|[w] stamped on the ground|[w] turned away and said nothing|[w own] face was red}.",
        }
        self.say(shapes[feeling], chance, w=who)

    def sight(self, place, chance=0.5):
        if self.weather.name != "snow" or place.name not in world.GREEN:
            self.say("{There|Here}, [x detail].|[x at] [x detail].".join("{}"), chance, x=place)

    def close(self, lesson):
        """Ends the tale; `lesson` is a clause that the plot has earned."""
        self.paragraph(0.6)
        self.say("{That {evening|night}|When the moon rose|When the lamp of the lighthouse was lit|Before the sun went down|At the end of the day}, " + self.rng.choice([
            "[a] {went home|walked home slowly|sat by the fire} and {slept well|thought about the day|dreamed of the sea|told everybody what had happened}.",
            "{everybody sat together|they all sat together} and {ate warm soup|sang old songs|shared bread and honey|drank hot milk|looked at the stars}.",
            "[a] fell asleep with a smile."]), 0.7)
        self.say("{And from that day on, [a] knew that {L}.|[a] had learned that {L}.|[a] never forgot that {L}.|Since then, [a] has known that {L}.|\"Now I know that {L},\" said [a].|And so it was clear to everybody that {L}.|}".replace("{L}", lesson), 0.8)
        self.facts["lesson"] = lesson
        self.say("{And that was that.|It had been a good day.|And they all lived in peace.|The end.|And if you come to [village], you can still hear this story.}", 0.25)
        return self
