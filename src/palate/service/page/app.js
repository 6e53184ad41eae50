// The page begins here.
import { item } from "./item.js";
import { map } from "./map.js";
import { mine } from "./mine.js";
import { model } from "./model.js";
import { start } from "./router.js";
import { search } from "./search.js";
import { taste } from "./taste.js";

start(document.getElementById("main"), { "": taste, item, search, map, model, mine });
