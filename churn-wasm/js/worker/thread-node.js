// The thread that answers the package's calls and no others.
import { serve } from "./host-node.js";

serve();
