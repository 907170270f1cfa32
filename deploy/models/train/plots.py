"""The plots: each takes a Tale and tells it from want to end; causes come before effects and things stay what they are."""
import world


def lost(t):
    """Something is lost, looked for, and found where its loss would put it."""
    t.open()
    t.say("{[a own] {favourite|dearest} thing was [o a].|[a] had [o a], and [a he] loved it very much.|For [a his] birthday [a he] had been given [o a].|[a] never went anywhere without [a his] [o full].|What [a he] loved most was [o a].}")
    t.say("{It had belonged to [a his] grandmother.|It was not worth much, but to [a him] it was a treasure.|[a he] had {made|found} it [p at].|}", 0.5)
    t.paragraph()
    t.sky()
    t.say("{One day|That day|Then} [a he] {went|walked|ran} to [p], and on the way " + t.weather.took + ".|{When [a he] came home from [p]|When [a he] put [a his] hand into [a his] bag}, [o] was gone.".join(["{", "}"]))
    t.mood(t.hero, "sad", 0.8)
    t.speak(t.hero, "{Where is my [o n]?|Oh no, I have lost my [o n]!|It cannot be far away.|I must find it before it gets dark.}", "{cried|said|asked}")
    t.paragraph()
    searched = [(t.places[1], "{under every stone|behind the door|in the grass|in every corner|on the ground}")]
    if not t.short:
        searched.append((t.places[2], "{under the leaves|behind the barrels|in the straw|everywhere}"))
    finds = t.rng.sample(["an old boot", "a broken cup", "a snail", "a wet leaf", "a rusty nail", "a grey feather"], 2)
    for (where, spot), junk in zip(searched, finds):
        t.say("{[a he] looked [x at].|First [a he] searched [x at].|[a he] went to [x] and looked SPOT.|Then [a he] looked SPOT [x at].}".replace("SPOT", spot), x=where)
        t.sight(where, 0.4)
        t.say("{But [o] was not there.|There was nothing.|Nothing!|But all [a he] found was JUNK.}".replace("JUNK", junk))
    t.still(0.4)
    t.paragraph()
    t.say("{Then [a he] met [b intro].|[b intro] came along the road.|[b intro] saw [a him] and stopped.|By chance, [b intro] was passing by.}")
    t.speak(t.friend, "{What are you looking for?|Why are you so sad?|Can I help you?|What has happened?}", "asked", "{stopped|tilted [w his] head|sat down beside [a him]}")
    t.speak(t.hero, "{I have lost my [o full].|My [o n] is gone.|I cannot find my [o n] anywhere.}", "{said|answered}")
    t.speak(t.friend, "{Let us look together.|Four eyes see more than two.|Think. Where did you see it last?|Come, I have an idea.|Did you look [s at]?}", "{said|replied}")
    t.say("{So they went to [s].|Together they walked to [s].|They hurried to [s].}")
    t.sight(t.places[3], 0.4)
    t.say("{And there, {under a bush|behind a barrel|between two stones|on an old box}, lay [o the]!|There was [o the], {wet but whole|a little dirty|safe and sound}.|[b] {pointed|looked up}. There was [o the]!|Something was shining in the corner. It was [o the]!}")
    t.mood(t.hero, "glad", 0.9)
    t.speak(t.hero, "{Thank you, [b]!|Without you I would never have found it.|You are a true friend.|How can I thank you?}", "{said|cried}", "hugged [b]")
    t.speak(t.friend, "{It was nothing.|That is what friends are for.|You would do the same for me.|Next time, tie it to your belt.}", "{said|answered|laughed}") if t.rng.random() < 0.5 else None
    t.facts.update(object=t.thing, found=t.places[3], helper=t.friend, topic="a lost " + t.thing.noun, ask_found=True)
    return t.close(t.rng.choice(["two friends find more than one", "asking for help is no shame", "a good friend is worth more than any treasure", "it is best not to give up too early"]))


def make(t, noun=None):
    """Something is made out of parts that neighbours give; a first try goes wrong, the second works."""
    noun = noun or t.rng.choice(list(world.MADE))
    parts = list(world.MADE[noun])
    t.thing = world.Thing(noun, t.rng.choice(["little", "big", "beautiful", "red", "blue", "strong", "simple"] if noun not in ("cake", "soup") else ["big", "sweet", "good", "warm"]))
    t.open()
    why = t.rng.choice(["[a he] wanted to give it to [b]", "[b] had a birthday", "it was almost time for Lantern Night", "[a he] had dreamed of it all winter", "nobody in the village had one"])
    t.say("{[a] wanted to make [o a], because WHY.|[a] had a plan. [a he] would make [o a].|More than anything, [a] wished for [o a].|One day [a he] said, \"I will make [o a].\"}".replace("WHY", why))
    t.sky(0.4)
    names = [p[0] for p in parts]
    t.say(f"{{For that [a he] needed|To make it, one needs|[a he] made a list:}} {names[0]}, {names[1]} and {names[2]}.")
    t.paragraph()
    for i, (part, giver) in enumerate(parts):
        them = "them" if part.endswith("s") and part != "glass" else "it"
        bring = "Just bring me a piece when it is done" if noun in ("cake", "soup") else "Show me the [o n] when it is done"
        if giver and giver != t.hero.name:
            g = t.neighbour(giver)
            where = world.place(world.JOB_PLACE[g.kind])
            t.say(("First" if i == 0 else "{Then|After that|Next}") + " [a he] {went|walked|ran} to [g the]{| [x at]}.", g=g, x=where)
            t.speak(t.hero, "{Could you give me PART?|I need PART for my [o n].|Do you have PART for me?|Please, may I have PART?}".replace("PART", part), "{asked|said}")
            reply = t.rng.random()
            if reply < 0.4:
                t.speak(g, "{Of course.|Take what you need.|Gladly.|You may have THEM.} {BRING.|But be careful.|Good luck!|}".replace("BRING", bring).replace("THEM", them), "{said|answered}", "smiled")
            elif reply < 0.8:
                chore = t.rng.choice(["sweep the floor", "carry the wood inside", "feed the hens", "bring water from the well", "clean the windows"])
                past = {"sweep": "swept", "carry": "carried", "feed": "fed", "bring": "brought", "clean": "cleaned"}
                verb, rest = chore.split(" ", 1)
                t.speak(g, f"{{If you {chore}, you may have {them}.|First {chore}, then you may have {them}.|Will you {chore} for me? Then {them == 'it' and 'it is' or 'they are'} yours.}}", "{said|answered}", "thought for a moment")
                t.say(f"{{So|At once|Without a word}} [a] {past[verb]} {rest}, and {{got|received}} {part}.")
            else:
                t.say(f"[g] {{looked in a box|opened a drawer|nodded}} and gave [a him] {part}.", g=g)
        else:
            t.say("{[a he] found PART [x at].|PART lay [x at], and nobody needed it.|PART was easy to find [x at].}".replace("lay", "could be found").replace("PART", part), x=t.places[i])
    t.paragraph()
    t.say("{At last [a he] could begin.|Now the work began.|[a he] worked the whole {afternoon|evening|morning}.|[a he] set to work at once.}")
    wrong = {"cake": "the cake fell apart", "soup": "the soup was much too salty", "kite": "the string broke", "boat": "the boat leaked", "raft": "a knot came loose", "lantern": "the candle went out", "drum": "the drum made no sound", "scarecrow": "the scarecrow fell over", "birdhouse": "the roof was crooked", "blanket": "the thread was tangled", "cart": "a wheel fell off", "music box": "the spring jumped out"}[noun]
    t.say(f"{{But|At first, however,|Oh dear! But}} {wrong}.", 0.8)
    t.mood(t.hero, "sad", 0.4)
    if t.rng.random() < 0.7:
        t.speak(t.friend, "{Try again.|Nobody gets it right the first time.|Slowly! Then it will work.|Let me hold it while you work.}", "said", "{came in|watched [a him]}")
    t.say("{[a] began again, {more slowly|more carefully|with new courage}, and this time it worked.|So [a he] tried once more, and it worked.|The second time, everything went well.}")
    t.say("{At last [o the] was ready.|And then [o the] stood there, finished.|When the bell rang, [o the] was ready.}")
    t.mood(t.hero, "proud", 0.7)
    t.say("{Everybody came to see it.|[b] clapped.|[a he] shared it with all who had helped.|[b] said that it was the best [o n] in [village].}", 0.7)
    t.facts.update(object=t.thing, topic=f"how to make a {noun}", helper=t.friend, made=noun)
    return t.close(t.rng.choice(["many hands make light work", "one learns by trying again", "patience is the best tool", "things that one makes oneself are the dearest"]))


def rescue(t):
    """Somebody is in danger at sea, on ice or in the wood; courage and the right tool save them."""
    t.weather = t.rng.choice([w for w in world.WEATHERS if w.name in ("storm", "fog", "snow", "wind")])
    sea = t.weather.name != "snow"
    t.open()
    t.sky(1.0)
    t.say("{[a] {was just going home|was sitting by the window|stood on the hill|was carrying wood into the house} when [a he] heard {a cry|somebody calling|a faint voice}.|Suddenly [a he] heard {a cry|a faint voice}.}")
    t.say("\"{Help! Help!|Is anybody there?|Help me, please!|Can anybody hear me?}\" {cried|called} {a voice|somebody|a small voice}.")
    if sea:
        danger = t.rng.choice(["sat in a small boat that was drifting out to sea", "clung to a rock while the waves rose higher", "had been rowing, and the oar had broken"])
        where = "out on the water"
        tool, does = t.rng.choice([("a long rope", "threw the rope as far as [a he] could"), ("a lantern", "swung the lantern to show the way"), ("the red boat", "rowed out through the waves"), ("the big bell", "rang the bell until the fishermen came")])
    else:
        danger = t.rng.choice(["had fallen through the ice of the pond", "was stuck in the deep snow", "had lost the way in Whisper Wood"])
        where = "out in the cold"
        tool, does = t.rng.choice([("a ladder", "pushed the ladder over the ice"), ("a long rope", "threw the end of the rope"), ("a sledge", "pulled the sledge through the snow"), ("a lantern", "held the lantern high to show the way")])
    t.say(f"{{It was [b intro].|There was [b intro] {where}.|[a] saw [b intro] {where}.}} {{[b he] {danger}.|[b he] {danger}!|Poor [b]! [b he] {danger}.}}")
    t.mood(t.hero, "afraid", 0.7)
    t.speak(t.hero, "{Hold on, I am coming!|Do not be afraid!|Wait, I will get help!|I must do something.}", "{called|cried|shouted}")
    t.paragraph()
    if t.rng.random() < 0.6:
        t.say("{[a he] ran to [c the] [h at].|As fast as [a he] could, [a he] ran to [c the].}")
        t.speak(t.hero, f"{{We need {tool}!|Quick, bring {tool}!|[b] is in danger!}}", "{cried|called}")
        t.say(f"[c] {{did not ask any questions|jumped up at once|nodded}}. [c he] took {tool}, and they ran {{back|down the path}} together.")
    else:
        t.say(f"{{Then [a he] remembered that there was {tool} [q at].|[a he] looked around and saw {tool}.|Luckily, {tool} was close by.}}".replace("there was the", "they kept the"))
    t.say("{It was not easy, because TRB.|It was hard, for TRB.|}".replace("TRB", t.weather.trouble), 0.6)
    t.say(f"[a] {does}. {{Once, twice, and then it worked.|It took a long time.|[a his] arms hurt, but [a he] did not stop.|}}")
    t.say("{At last [b] was safe.|Soon [b] stood on dry land again.|In the end, [b] was saved.}" if sea else "{At last [b] was safe.|In the end, [b] was saved.|Soon [b] was back by a warm fire.}")
    t.speak(t.friend, "{You saved my life.|Thank you, [a]. I was so afraid.|I will never forget this.|I thought that nobody would come.}", "{said|whispered}", "was cold and wet")
    t.say("{Then there was {hot soup|warm milk|tea with honey} for all.|[c] wrapped [b him] in a thick blanket.|The whole village talked about it for days.|}", 0.7)
    t.facts.update(helper=t.helper, friend=t.friend, topic={"storm": "a storm", "fog": "the fog", "snow": "the snow", "wind": "a brave rescue"}[t.weather.name], rescued=t.friend)
    return t.close(t.rng.choice(["being brave means to help although one is afraid", "a calm head is the best help", "nobody is alone in a village", "even a small one can save a life"]))


def quarrel(t):
    """Two want one thing, it breaks, and they mend it and their friendship."""
    t.open()
    t.say("{[a his] best friend was [b intro].|[a] and [b] were friends.|Every day [a he] played with [b intro].}")
    t.say("{One day|One afternoon|Then} they {found|saw} [o a] [p at].")
    t.speak(t.hero, "{It is mine!|I saw it first!|Give it to me!}", "{cried|shouted|said}")
    t.speak(t.friend, "{No, it is mine!|But I picked it up!|You always take everything!}", "{cried|answered|shouted}")
    t.say("{They pulled and pulled, until [o] {broke in two|broke}.|[a] pulled on one side and [b] on the other. Crack! [o] was broken.|Neither of them would let go, and so [o] fell and broke.}")
    t.mood(t.hero, "angry", 0.6)
    t.say("{Both went home without a word.|[b] went away.|For two days they did not speak.}")
    t.paragraph()
    t.sky(0.5)
    t.say("{But it was {dull|lonely} to play alone.|Soon [a] missed [b him].|The day was long without a friend.|[a] could not sleep that night.}")
    if t.rng.random() < 0.7:
        t.say("[a he] {went to see|told everything to} [c the] {|[h at]}.")
        t.speak(t.helper, "{What is broken can be mended.|A [o n] is only a [o n], but a friend is a friend.|Somebody has to say sorry first.|Why do you not ask [b him]?}", "said", "{put down [w his] work|listened}")
    t.say("{So [a] took {glue|a needle and thread|a hammer and two nails} and went to [b].|The next morning, [a] stood at the door of [b].|So [a he] went to look for [b] and found [b him] [q at].}")
    t.speak(t.hero, "{I am sorry.|I was wrong.|Please forgive me.} {Let us mend it together.|You may have it.|We can share it.}", "said", "looked at the ground")
    t.speak(t.friend, "{I am sorry too.|I was just as bad.|I missed you.} {You can have it on Monday, and I will have it on Tuesday.|Let us share it.|Come in!|}", "{said|answered}", "smiled")
    t.say("{Together they mended [o], and it was almost as good as new.|They mended [o] and used it {every day|together}.|[o] was soon mended, and so was their friendship.}")
    t.facts.update(object=t.thing, helper=t.helper, friend=t.friend, topic="a quarrel between friends", found=t.places[0])
    return t.close(t.rng.choice(["sharing is better than winning", "a friend is worth more than a thing", "it takes courage to say sorry"]))


def journey(t):
    """A thing must be brought somewhere; the way is hard, a stranger helps, the receiver is glad."""
    t.open()
    t.say("{One day [c the] gave [a him] [o a].|[c the] came to [a] with [o a] in [c his] hands.|[a] had promised [c the] to help.}")
    t.speak(t.helper, "{Please bring this [o n] to [s].|Can you carry this [o n] to [s]?|This [o n] must be [s at] before dark.} {[b] is waiting for it.|It is for [b].|}", "said", "{looked worried|was in a hurry}")
    t.speak(t.hero, "{I will.|You can count on me.|I have never gone so far alone.|That is easy!}", "{said|answered}")
    t.sky(0.9)
    t.paragraph()
    t.say("{[a] set out at once.|So [a he] set out, with [o] {in a bag|under [a his] arm}.|[a he] packed a piece of bread and went on [a his] way.}")
    t.say("{The way led past [p].|First [a he] came to [p].|[a he] passed [p].} {|There, [p detail].}")
    obstacle = t.rng.choice(["the bridge was broken", "a fallen tree lay across the road", "the path ended at a deep ditch", "the road split in three"])
    t.say("{But near [q], OB.|Then [a he] had to stop, for OB.|After an hour [a he] stopped, because OB.}".replace("OB", obstacle) + " {And TRB.|}".replace("TRB", t.weather.trouble))
    t.mood(t.hero, "tired", 0.6)
    t.paragraph(0.4)
    who = t.anybody(unlike=t.hero)
    t.say("{Just then [w intro] came by.|On a stone sat [w intro].|[w intro] was resting there.}", w=who)
    way = {"the bridge was broken": ("There is a shallow place further up", "they crossed the river there"), "a fallen tree lay across the road": ("We can push it aside together", "they pushed until the tree rolled away"), "the path ended at a deep ditch": ("Take my hand and jump", "they jumped over the ditch together"), "the road split in three": ("Take the road on the left", "[a] took the road on the left")}[obstacle]
    t.speak(t.hero, "{Can you help me?|I have to go to [s]. How do I get there?|What shall I do now?}", "asked")
    t.speak(who, f"{way[0]}.", "{said|answered}", "{thought for a while|laughed}", w=who)
    t.say(f"{{So|And so}} {way[1]}.")
    t.say("{As a thank-you, [a] shared [a his] bread.|They shared the bread.|[a] thanked [w him] and hurried on.}", 0.8, w=who)
    t.paragraph(0.5)
    t.say("{At last [a he] reached [s].|When the bell rang, [a he] came to [s].|Late in the afternoon [a he] arrived [s at].}")
    t.say("{[b] was {waiting|standing} there.|There stood [b].|[b] opened the door.}")
    t.speak(t.friend, "{You really came!|At last! I was afraid that nobody would come.|Thank you, that is just what I needed.|How brave of you to come in this weather!}", "{cried|said}", "took [o]")
    t.mood(t.hero, "proud", 0.6)
    t.facts.update(object=t.thing, helper=who, giver=t.helper, friend=t.friend, goal=t.places[3], topic="a long walk")
    return t.close(t.rng.choice(["a promise is a promise", "the longest road is made of small steps", "one meets kind people on hard roads"]))


def mystery(t):
    """Something strange by night turns out to have a harmless cause."""
    t.open()
    sign, cause, noun = t.rng.choice([
        ("a strange light was moving", "{who was looking for [b his] slippers with a lantern|who could not sleep and went for a walk with a candle}", "light"),
        ("something was knocking, knock, knock, knock", "{whose tail kept hitting an old barrel|who was trying to open a nut with a stone}", "noise"),
        ("somebody was singing very softly", "{who was practising a song for the feast|who sang because [b he] felt lonely}", "song"),
        ("bread kept disappearing", "{who had been feeding three hungry kittens|who was too shy to ask for food}", "thief"),
        ("there were big footprints in the mud", "{who was wearing boots that were much too big|who had borrowed the biggest boots in the village}", "footprints"),
        ("a shadow as tall as a tree was dancing", "{who stood in front of a lamp and danced to keep warm|who was chasing a moth around a candle}", "shadow")])
    t.say(f"{{One night|Every night that week|On a dark night}}, {sign} [p at].")
    t.say("{Nobody knew what it was.|The people of [village] were worried.|Some said that it was a ghost.|\"It is a ghost,\" said [c the].}")
    t.sky(0.4)
    t.speak(t.hero, "{I want to know what it is.|I do not believe in ghosts.|Somebody has to find out.|I am not afraid. Well, only a little.}", "said", "thought about it")
    t.paragraph()
    t.say("{So the next night [a he] took {a lantern|a stick|a blanket} and hid [p at].|When it was dark, [a he] crept to [p].|[a he] waited {behind a wall|behind a tree|under a cart} until the moon came out.}")
    t.mood(t.hero, "afraid", 0.8)
    t.say("{An owl called.|A branch cracked.|The clock struck twelve.|It was very quiet.|}")
    t.say(f"{{Then it came again.|There it was!|And then, there it was again.}} [a] {{took a deep breath|counted to three|held [a his] breath}} and {{stepped out|looked around the corner}}.")
    t.say(f"{{It was no ghost.|And what did [a he] see?|It was not a monster at all.}} It was [b intro], {cause}.".replace("[b intro],", "only [b intro],") if t.friend.kind not in world.JOB_PLACE else f"It was only [b the], {cause}.")
    t.speak(t.friend, "{Oh, did I frighten you?|Please do not tell anybody.|I am sorry. I did not want to frighten anybody.}", "{said|asked|whispered}", "jumped")
    t.speak(t.hero, "{Everybody thought that you were a ghost!|You frightened the whole village!|Come with me. You do not have to be alone at night.}", "{laughed|said}", "began to laugh")
    t.say("{The two laughed until their bellies hurt.|The next day, [a] told everybody, and the whole village laughed.|From then on, [b] was invited to supper every evening.|They became good friends.}")
    t.facts.update(helper=t.friend, culprit=t.friend, topic="a strange " + noun if noun not in ("footprints",) else "strange footprints", found=t.places[0], sign=noun)
    return t.close(t.rng.choice(["most ghosts are only somebody who is lonely", "fear grows smaller when one looks at it", "it is better to look than to guess"]))


def garden(t):
    """A seed, much waiting, a danger, a harvest that is shared."""
    plant = t.rng.choice(["pumpkin", "bean", "sunflower", "apple tree", "turnip", "strawberry", "pear tree"])
    t.thing = world.Thing(plant, t.rng.choice(["big", "little", "beautiful"]))
    t.open()
    t.say("{One spring day [a he] {got|found} a seed.|[c the] gave [a him] a {tiny|brown|round} seed.|In a drawer [a he] found one last seed.}")
    t.speak(t.hero, "{I wonder what it will be.|I will plant it.|It is so small!|What shall I do with it?}", "said")
    t.say("[a he] {dug a hole|made a little hole} {behind the house|near the well|by the garden wall}, put the seed in and {covered it with earth|gave it water}.")
    t.paragraph(0.6)
    t.say("{Every morning [a he] looked, and every morning there was nothing.|A week went by, and nothing happened.|[a he] waited and waited.}")
    t.mood(t.hero, "sad", 0.4)
    t.speak(t.friend, "{Give it time.|Maybe the seed is asleep.|You cannot hurry a seed.|Has it had enough water?}", "said", "came to look")
    t.say("{Then, after a night of rain, a small green leaf came out of the earth.|And one day, there was a green tip.|At last a tiny plant stood there.}")
    t.mood(t.hero, "glad", 0.7)
    danger = t.rng.choice([("snails came to eat the leaves", "carried every snail to the meadow"), ("it did not rain for weeks", "carried water from the well each evening"), ("a storm was coming", "tied the plant to a strong stick"), ("a goat broke the fence", "mended the fence with three boards"), ("a frost came in the night", "covered the plant with an old blanket")])
    t.say(f"{{But then|Then, however,|In the summer}} {danger[0]}. {{So [a] {danger[1]}.|What could be done? [a] {danger[1]}.|Luckily [a] had an idea and {danger[1]}.}}")
    t.paragraph(0.5)
    t.say("{The plant grew and grew.|Week by week it grew taller.|In the autumn it was taller than [a him].} {It was [o a]!|It had become [o a], the biggest in [village].|And what was it? [o a]!}")
    t.say("{[c the] had never seen such a [o n].|All the neighbours came to look.|People came even from over the river to see it.|}")
    t.say("{[a] shared it with everybody.|There was enough for the whole village.|[a he] gave the first piece to [b].|[a he] kept one seed for the next year.}")
    t.facts.update(object=t.thing, helper=t.friend, topic="a garden", plant=plant, giver=t.helper)
    return t.close(t.rng.choice(["good things need time", "what one cares for will grow", "patience is sweeter than sugar"]))


def contest(t):
    """A race or contest; the hero gives up winning, or wins by wit, and is honoured."""
    kind, craft = t.rng.choice([("boat race", "boat"), ("kite contest", "kite"), ("cake contest", "cake"), ("running race", ""), ("lantern contest", "lantern"), ("singing contest", "")])
    t.open()
    t.say(f"{{Every year there was a {kind} in [village].|\"Tomorrow is the {kind}!\" called [c the].|On Saturday there was to be a {kind} [p at].}} {{The prize was [o a].|Whoever won would get [o a].}}")
    t.speak(t.hero, "{I want to win.|I have never won anything.|I will try.|I would love to have that [o n].}", "said")
    t.speak(t.friend, "{You? You are much too slow!|I will win, as I do every year.|You have no chance against me.|May the best one win.}", "{said|laughed}", "shook [w his] head")
    t.say("{So [a] practised every {day|evening}.|[a] practised from morning to night.|[a] said nothing, but practised in secret.}")
    t.paragraph()
    t.sky(0.6)
    t.say("{Then the day came.|At last the bell rang, and it began.|On the day of the contest the whole village came.} {[a own] heart beat fast.|Flags waved in the wind.|Everybody cheered.|}")
    t.say({"boat race": "{The boats shot over the water.|[b own] boat took the lead, and [a] was close behind.}", "kite contest": "{The kites rose into the sky.|[b own] kite rose higher and higher, and [a own] kite was close behind.}", "cake contest": "{The cakes stood on a long table.|[b own] cake had three layers, and [a own] cake was small but smelled of honey.}", "running race": "{They ran past [q] and over the bridge.|[b] took the lead, and [a] was close behind.}", "lantern contest": "{All the lanterns were lit.|[b own] lantern was the biggest, but [a own] lantern had stars cut into it.}", "singing contest": "{One after another, they sang.|[b] sang loudly, but [a] sang so softly that all grew quiet.}"}[kind])
    if craft != "cake" and t.rng.random() < 0.6:
        t.say("{But then [b] {fell|got into trouble|called for help}.|Suddenly [b] cried out in pain.} {[a] could have won now.|The prize was so near!|[a] did not think twice.} [a he] {stopped|turned back} and helped [b him].")
        t.say("{So neither of them won.|Somebody else came first.|They came last, arm in arm.}")
        t.speak(t.helper, "{The prize goes to [a], for the kindest heart.|I have seen many contests, but never such a winner.|Today [a] has won more than a prize.}", "{said|called}", "stepped forward")
        t.say("{And [a] got [o the] after all.|So [a] was given [o the].}")
        lesson = ["helping is better than winning", "a kind heart wins in the end"]
    else:
        t.say("{And who won? It was [a]!|At the end, [c the] called the name of the winner. It was [a]!|To everybody's surprise, [a] won.}")
        t.speak(t.friend, "{You were better than I.|I should not have laughed at you.|Well done!|Will you teach me?}", "said", "came over")
        t.say("{[a] {took|received} [o the] and {laughed|shared it with [b]|bowed}.|[a] held [o the] up high.}")
        lesson = ["practice is half of the prize", "one should never laugh at a beginner", "small steps lead far"]
    t.facts.update(object=t.thing, friend=t.friend, topic=f"a {kind}", prize=t.thing, contest=kind)
    return t.close(t.rng.choice(lesson))


def learn(t):
    """The hero cannot do something, fails, gets a tip, practises, succeeds."""
    skill, fail, tip = t.rng.choice([
        ("swim", "swallowed water and coughed", "Breathe out slowly and kick like a frog"), ("whistle", "made only a wet, windy sound", "Make your lips small and round"),
        ("row a boat", "went round and round in a circle", "Pull both oars at the same time"), ("read", "mixed up all the letters", "Take one letter after the other"),
        ("bake bread", "burned the loaf until it was black", "Watch the fire, not the clock"), ("climb a tree", "slipped and fell into the grass", "First look for the next branch, then move your foot"),
        ("dance", "stepped on everybody's toes", "Do not look at your feet, listen to the drum"), ("skate", "sat down hard on the ice", "Bend your knees a little"),
        ("play the flute", "frightened the hens away", "Blow as softly as if it were a candle"), ("ride a pony", "slid down on the other side", "Sit still and trust the pony")])
    t.open()
    t.say(f"{{There was one thing that [a he] could not do: [a he] could not {skill}.|[a] could do many things, but [a he] could not {skill}.|Everybody could {skill}, only [a] could not.|[a] wanted to learn to {skill}.}}")
    t.say(f"{{The first time [a he] tried, [a he] {fail}.|[a he] tried it alone and {fail}.|When [a he] tried, [a he] {fail}.}} {{[b] laughed.|Somebody laughed.|It was no use.|}}")
    t.mood(t.hero, "sad", 0.7)
    t.speak(t.hero, "{I will never learn it.|It is too hard for me.|Why can everybody do it but me?}", "said", "hung [w his] head")
    t.paragraph()
    t.say("{[c the] had seen it all.|But [c the] had been watching.|Then [c the] came by.}")
    t.speak(t.helper, "{When I was young, I could not do it either.|Nobody is born with it.|You are doing well.|Do you want to know a secret?} " + tip + ".", "said", "{smiled|sat down beside [a him]}")
    t.say("{[a] tried again, and it was a little better.|[a] did as [c he] said.|From then on, [a] practised every {day|morning|evening}.|On the next day [a he] tried again, and on the next, and on the next.}")
    t.still(0.3)
    t.paragraph(0.5)
    t.say(f"{{And one day, it worked!|Then, all at once, [a he] could do it.|After a week, [a] could {skill}.|And suddenly it was easy.}}")
    t.mood(t.hero, "glad", 0.8)
    t.speak(t.hero, f"{{Look, I can {skill}!|I can do it!|It works!}}", "{cried|shouted}")
    t.say(f"{{Later, [a] taught [b] to {skill}, too.|Now [b] wanted to learn it as well.|[c] nodded and was proud of [a him].|Nobody laughed any more.}}")
    t.facts.update(helper=t.helper, topic=f"learning to {skill}", skill=skill, tip=tip)
    return t.close(t.rng.choice(["every master was once a beginner", "one can learn almost anything with time", "it is no shame to fail, only to stop trying"]))


def friendship(t):
    """A newcomer or lonely one is noticed and brought in."""
    t.open()
    t.say("{[a he] had no friends yet.|[a he] often played alone.|[a he] had come to [village] only a week ago.|[a he] lived all alone.}")
    t.say("{Every day [a he] sat [p at] and watched the others.|[a he] spent most days [p at].|When the others played, [a he] hid [p at].}")
    t.sight(t.places[0], 0.5)
    t.mood(t.hero, "sad", 0.6)
    t.paragraph(0.6)
    t.sky(0.5)
    t.say("{One day [b intro] came along.|Then, one morning, [b intro] stopped in front of [a him].|But [b intro] had noticed [a him].}")
    t.speak(t.friend, "{Do you want to play with me?|Why are you sitting here all alone?|What is your name?|I have [o a]. Do you want to see it?|Are you hungry? I have two apples.}", "asked", "smiled")
    t.say("{[a] did not know what to say.|[a] nodded, very slowly.|At first [a] said nothing.|[a own] ears turned red.}")
    t.speak(t.hero, "{I do not know how to play that.|Yes, please.|Nobody has ever asked me that.|I would like that very much.}", "{said|answered|whispered}")
    act = t.rng.choice(["built a dam in the river", "flew a kite on the hill", "picked apples in the orchard", "looked for shells on the beach", "built a hut out of branches", "counted the boats in the harbour", "raced each other down the hill", "drew pictures in the sand"])
    t.say(f"{{So they|Together they|That afternoon they}} {act}{{ until the sun went down| and laughed the whole time| and forgot the time|}}.")
    t.say("{Then [b] gave [a] [o a].|Before they parted, [b] gave [a him] [o a].|[a] gave [b him] [o a], because it was all [a he] had.}", 0.6)
    t.speak(t.friend, "{Will you come again tomorrow?|See you tomorrow!|Now we are friends.}", "{asked|said|called}")
    t.mood(t.hero, "glad", 0.9)
    t.say("{After that, they met every day.|From then on one never saw the one without the other.|And they did meet again, the next day and the day after.}", 0.8)
    t.facts.update(helper=t.friend, friend=t.friend, topic="friendship", act=act)
    return t.close(t.rng.choice(["a friend can be very near", "a kind word opens every door", "nobody needs to be alone"]))


def repair(t):
    """Something the village needs is broken and must work again before a fixed hour."""
    thing, effect, part, hour = t.rng.choice([
        ("the lamp of the lighthouse", "no ship could find the harbour", "a new wick", "before the night came"),
        ("the mill wheel", "there was no flour for bread", "a strong wooden pin", "before the baker's fire was lit"),
        ("the big clock", "nobody knew when to ring the bell", "a tiny spring", "before noon"),
        ("the ferry", "nobody could cross the river", "a new oar", "before market day"),
        ("the school bell", "the children came too late", "a piece of rope", "before Monday"),
        ("the stone bridge", "the carts could not reach the market", "three heavy stones", "before Saturday"),
        ("the village well", "there was no water", "a new chain", "before evening")])
    t.open()
    t.say(f"{{One day {thing} was broken.|Then something bad happened: {thing} was broken.|One morning {thing} did not work any more.}} {{Now {effect}.|Because of that, {effect}.|And so {effect}.}}")
    t.sky(0.5)
    t.speak(t.helper, f"{{It must work again {hour}.|What shall we do?|I have tried everything.|Without {part} I cannot mend it.}}", "said", "{scratched [w his] head|looked worried}")
    t.speak(t.hero, "{Let me try.|Perhaps I can help.|I know somebody who can help.|I am small, but I have good eyes.}", "said")
    t.paragraph(0.6)
    t.say(f"{{[a] looked at it from all sides.|[a] looked closely.|[a he] crept inside with a candle.}} {{Then [a he] saw what was missing: {part}.|\"We need {part},\" [a he] said.|It was clear that it needed {part}.}}")
    t.say(f"{{But where could one get {part}?|There was none in the village.|[a he] looked [p at], but found nothing.|}} {{[a he] asked [b intro].|Then [a he] thought of [b intro].|[b intro] knew the answer.}}")
    t.speak(t.friend, f"{{I have just the right thing at home.|Look [q at], there is an old box.|I will give you mine, if you let me help.}}", "{said|answered}")
    t.say(f"{{They ran as fast as they could.|There was not much time.|The sun was already low.|}} {{They brought {part} and set to work.|With {part} in [a his] hands, [a] ran back.}}")
    t.still(0.3)
    t.say("{[a] held the light, and [c] worked.|They pushed, pulled and turned.|[a] fitted it in, very carefully.|It took all their strength.}")
    t.say(f"{{And just {hour}, {thing} worked again.|At last {thing} was whole again.|Then there was a click, and {thing} worked.}}")
    t.say("{Everybody cheered.|[c] lifted [a him] up high.|The whole village was thankful.|}")
    t.speak(t.helper, "{We could not have done it without you.|Well done, [a]!|You have sharp eyes, [a].}", "said")
    t.facts.update(helper=t.friend, topic=thing, broken=thing, part=part)
    return t.close(t.rng.choice(["even small hands can do great things", "one should look closely before giving up", "together one can mend almost anything"]))
