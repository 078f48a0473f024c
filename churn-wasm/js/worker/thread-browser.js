// The worker that answers the package's calls and no others.
import { serve } from "./host-browser.js";

serve();
