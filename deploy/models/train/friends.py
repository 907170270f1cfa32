"""Plots between friends: quarrel and peace, contest, boast, truth. Each takes a Tale and tells it to its end."""
import world


def quarrel(t):
    """Two want one thing, it breaks, and they mend it and their friendship."""
    t.recast("hero", "friend")
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


def contest(t):
    """A race or contest; the hero gives up winning, or wins by wit, and is honoured."""
    kind, craft = t.rng.choice([("boat race", "boat"), ("kite contest", "kite"), ("cake contest", "cake"), ("running race", ""), ("lantern contest", "lantern"), ("singing contest", "")])
    t.open(dated=False)
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


def friendship(t):
    """A newcomer or lonely one is noticed and brought in."""
    t.recast("hero")
    t.open(dated=False)
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


def honesty(t):
    """Something is broken, another is blamed, the truth is told."""
    t.recast("hero")
    cup, owner = t.rng.choice([("the blue cup", "Ines"), ("the big window", "Wren"), ("the music box", "Jonas"), ("the new oar", "Tobin"), ("the glass of the lamp", "Ada"), ("the flower pot", "Rosa"), ("the finest plate", "Hugo")])
    if owner in (t.hero.name, t.friend.name):
        cup, owner = next(x for x in (("the old barometer", "Mora"), ("the loom", "Tilda"), ("the flour jar", "Bram")) if x[1] not in (t.hero.name, t.friend.name))
    keeper = t.neighbour(owner)
    t.open()
    t.say("{One day [a he] was playing with a ball [x at].|[a] was running about [x at].|[a] was helping [k the] [x at].|It was raining, and so [a he] played inside, [x at].}", k=keeper, x=world.place(world.JOB_PLACE[keeper.kind]))
    t.say(f"{{Then there was a crash.|Suddenly something fell.|[a he] turned around too fast.|Crash!}} {{[a] had broken {cup}.|{cup} lay on the floor in pieces.|{cup} was broken.}}")
    t.mood(t.hero, "afraid", 0.8)
    t.say("{Nobody had seen it.|[a he] was all alone.|Quickly [a he] hid the pieces under a sack.}", 0.8)
    t.speak(keeper, f"{{Who has done this?|What has happened to {cup}?|Who broke {cup}?}}", "asked", "came in")
    t.speak(t.hero, "{It was [b].|I think that it was [b].|I do not know. Perhaps it was [b].|It must have been the wind.}", "{said|answered|whispered}", "looked away")
    t.paragraph()
    t.say("{That night [a] could not sleep.|But [a] could not enjoy the day any more.|The lie lay in [a his] belly like a stone.|[a he] could not eat [a his] supper.}")
    t.say("{Everybody was angry with [b], who did not understand why.|[b] sat all alone and was sad.|Outside [b] was standing in the cold and crying.}", 0.8)
    t.say("{In the morning|At last|After a long night} [a] {took all [a his] courage and went back|ran to [k the]|knocked at the door of [k]}.", k=keeper)
    t.speak(t.hero, f"{{I broke {cup}. I am sorry.|It was not [b]. It was I.|I did not tell the truth.}} {{I was afraid.|Please do not be angry.|I will pay for it.|}}", "said")
    t.say("{[k] was quiet for a while.|[k] looked at [a him] for a long time.|[k] sighed, but then [k he] smiled.}", k=keeper)
    t.speak(keeper, "{A thing can be mended, and so can a mistake.|It was brave of you to tell me.|Thank you for telling the truth.|I broke one too when I was small.}", "said")
    t.say("{Then they glued the pieces together.|[a] swept the floor for a whole week.|[a] said sorry to [b], and [b] forgave [a him].|And [b] got the biggest piece of cake.}")
    t.facts.update(helper=keeper, friend=t.friend, broken=cup, topic="telling the truth")
    return t.close(t.rng.choice(["the truth makes the heart light", "a lie is heavier than a stone", "it is brave to tell the truth"]))


def boast(t):
    """A fable: one boasts, the other is modest; the world decides."""
    claim, test, fall = t.rng.choice([
        ("the fastest runner in the village", "a race to the lighthouse and back", "fell asleep under a tree, so sure of winning"), ("the strongest of all", "to carry a sack of flour up the hill", "had to put it down after ten steps"),
        ("the best sailor on the coast", "to sail around the rock", "forgot to tie the sail"), ("the cleverest of all", "to find out how many apples were in the basket", "would not even count them"),
        ("never afraid", "to go alone into Whisper Wood at night", "ran home when an owl called"), ("the best cook in [village]", "to cook soup for the whole village", "put sugar into it instead of salt")])
    proud = t.friend
    t.open()
    t.say("{[a own] neighbour was [b intro].|Next door lived [b intro].|Not far away lived [b intro].} {Every day [b he] told everybody how good [b he] was.|[b he] loved to talk about [b self].|}")
    t.speak(proud, f"{{I am {claim}.|Everybody knows that I am {claim}.|Nobody is like me. I am {claim}.}}", "said", "stood up straight")
    t.speak(t.helper, f"{{Is that so? Then let us see.|Then show it to us.|Would you like to prove it?}}", "{asked|said}", "smiled")
    t.say(f"{{The task was {test}.|So there was a test: {test}.|They agreed on {test}.}}" if test.startswith("a ") else f"{{The task was {test}.|They had {test}.|[b] and [a] each had {test}.}}")
    t.speak(t.hero, "{I will try it, too.|I am not very good at that, but I will do my best.|May I try as well?}", "{said|asked}")
    t.paragraph()
    t.sky(0.6)
    t.say(f"{{[b] laughed out loud, but then [b he] {fall}.|At first all went well, but then [b] {fall}.|And what happened? [b] {fall}.}}")
    t.say("{[a], however, went on step by step.|But [a] did not hurry and did not stop.|[a] thought first and then began.|[a] said nothing and did it.} {So it was [a] who did it.|And in the end, [a] had done it.|And [a] did it.}")
    t.say("{[b] turned red.|[b] did not know where to look.|For the first time, [b] had nothing to say.}")
    t.speak(proud, "{I talked too much.|You are better than I.|Will you show me how you did it?|I will be quiet now.}", "{said|asked}")
    t.speak(t.hero, "{Come, I will show you.|Next time we will do it together.|Everybody can do something well.}", "{said|answered}", "smiled", ) if t.rng.random() < 0.6 else None
    t.facts.update(friend=t.friend, helper=t.helper, proud=proud, topic="a boaster" if t.rng.random() < 0.5 else "being proud")
    return t.close(t.rng.choice(["great words are light and great deeds are quiet", "one should do more and talk less", "who boasts falls far"]))
