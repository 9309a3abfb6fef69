import { send } from "@acme/queue";
import { UserButton } from "@clerk/nextjs";

export default function Page() {
  send("hello");
  return <UserButton />;
}
