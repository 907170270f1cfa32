"""All plots: causes come before effects, and things stay what they are."""
import crafts
import friends
import gifts
import quests

PLOTS = [quests.lost, crafts.make, quests.rescue, friends.quarrel, quests.journey, quests.mystery,
         crafts.garden, friends.contest, crafts.learn, friends.friendship, crafts.repair, friends.honesty,
         gifts.guest, gifts.nurse, gifts.swap, friends.boast, quests.bottle, gifts.lantern_night,
         crafts.wafers]
THING_PLOTS = [quests.lost, quests.lost, quests.journey, friends.quarrel, friends.contest, gifts.swap]  # any small thing may be wished for
