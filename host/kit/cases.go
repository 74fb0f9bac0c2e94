package kit

// caseOf is a case with its check.
type caseOf struct {
	Case
	// needsPlugin is whether the plugin must be loaded for it.
	needsPlugin bool
	check       func(*check)
}

// cases are all cases. What is proved builds on what comes before, so that a reader begins with the first that failed.
var cases = []caseOf{
	{Case{"module", "The module is valid, has the exports of the ABI and imports nothing else, and its manifest can be taken."}, false, (*check).module},
	{Case{"answers", "Each request is answered with the Complete of its own kind by the plugin itself; with a template, each that the manifest lists succeeds."}, true, (*check).answers},
	{Case{"respond-once", "respond is called exactly once for each request, and log only with a level and with UTF-8."}, true, (*check).respondOnce},
	{Case{"order", "Requests that come again, and in each order that a client may choose, are answered."}, true, (*check).order},
	{Case{"archive/garbage", "An archive that is no tar is an error in the InitComplete, and a good one after it is taken."}, true, (*check).garbage},
	{Case{"archive/cut-short", "An archive that ends in the middle of a file is an error in the InitComplete, and a good one after it is taken."}, true, (*check).cutShort},
	{Case{"archive/outside", "An archive with a path that leads outside is an error in the InitComplete, and a good one after it is taken."}, true, (*check).outside},
	{Case{"archive/empty", "An archive without entries, and one without bytes, are answered."}, true, (*check).empty},
	{Case{"unknown-fields", "Fields that a newer protocol may have change nothing."}, true, (*check).unknownFields},
	{Case{"large/archive", "A template of 8 MiB is taken like a small one."}, true, (*check).largeArchive},
	{Case{"large/values", "Values and a state of megabytes are answered."}, true, (*check).largeValues},
	{Case{"cancel/init", "An init that is canceled, before the plugin begins or in its middle, is answered within the grace period, and one after it as if nothing had been."}, true, canceled("init")},
	{Case{"cancel/parse", "A parse that is canceled, before the plugin begins or in its middle, is answered within the grace period, and one after it as if nothing had been."}, true, canceled("parse")},
	{Case{"cancel/plan", "A plan that is canceled, before the plugin begins or in its middle, is answered within the grace period, and one after it as if nothing had been."}, true, canceled("plan")},
	{Case{"cancel/apply", "An apply that is canceled, before the plugin begins or in its middle, is answered within the grace period, and the next plan and apply are answered."}, true, canceled("apply")},
	{Case{"cancel/graph", "A graph that is canceled, before the plugin begins or in its middle, is answered within the grace period, and one after it as if nothing had been."}, true, canceled("graph")},
	{Case{"deadline", "A request whose programs are ended by its deadline is answered within the grace period."}, true, (*check).deadline},
	{Case{"memory", "A request that does not fit into the memory fails alone: the next one is answered as if nothing had been."}, true, (*check).memory},
	{Case{"fresh-instance", "With a fresh instance between every two requests the answers are the same: nothing is kept in memory alone."}, true, (*check).freshInstance},
	{Case{"sessions-at-once", "Sessions that run at the same time get the answers that they get alone."}, true, (*check).atOnce},
	{Case{"log-level", "A session that wants errors only gets the same answers, and no other logs."}, true, (*check).logLevel},
}
